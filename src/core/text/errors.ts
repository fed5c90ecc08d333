// Error numbers (Linux) and the texts the suite has always used for them: not the C library's wording.

export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EIO = 5;
export const ENXIO = 6;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const ELOOP = 40;
export const EACCES = 13;
export const EEXIST = 17;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOSPC = 28;
export const EROFS = 30;
export const ERANGE = 34;
export const ENOSYS = 38;
export const ENOTEMPTY = 39;
export const EADDRINUSE = 98;

/** The suite's text for an error number. (A switch: a table would be built in the memory of every process.) */
export function describeError(errno: number): string {
  switch (errno) {
    case 0:
      return "no error";
    case 1:
      return "permission denied";
    case 2:
      return "file does not exist";
    case 3:
      return "no such process";
    case 4:
      return "interrupted system call";
    case 5:
      return "input/output error";
    case 6:
      return "device not configured";
    case 7:
      return "argument list too long";
    case 8:
      return "exec format error";
    case 9:
      return "file descriptor not open";
    case 10:
      return "no child processes";
    case 11:
      return "temporary failure";
    case 12:
      return "out of memory";
    case 13:
      return "access denied";
    case 14:
      return "bad address";
    case 15:
      return "not a block device";
    case 16:
      return "device busy";
    case 17:
      return "file already exists";
    case 18:
      return "cross-device link";
    case 19:
      return "device does not support operation";
    case 20:
      return "not a directory";
    case 21:
      return "is a directory";
    case 22:
      return "invalid argument";
    case 23:
      return "system cannot open more files";
    case 24:
      return "process cannot open more files";
    case 25:
      return "not a tty";
    case 26:
      return "text busy";
    case 27:
      return "file too big";
    case 28:
      return "out of disk space";
    case 29:
      return "unseekable descriptor";
    case 30:
      return "read-only file system";
    case 31:
      return "too many links";
    case 32:
      return "broken pipe";
    case 33:
      return "input out of range";
    case 34:
      return "output out of range";
    case 35:
      return "operation would cause deadlock";
    case 36:
      return "file name too long";
    case 37:
      return "no locks available";
    case 38:
      return "system call not available";
    case 39:
      return "directory not empty";
    case 40:
      return "symbolic link loop";
    case 42:
      return "no message of desired type";
    case 43:
      return "identifier removed";
    case 60:
      return "not a stream device";
    case 62:
      return "timer expired";
    case 63:
      return "out of stream resources";
    case 66:
      return "too many levels of remote in path";
    case 71:
      return "protocol error";
    case 87:
      return "too many users";
    case 88:
      return "not a socket";
    case 90:
      return "message too long";
    case 95:
      return "operation not supported";
    case 98:
      return "address already used";
    case 99:
      return "address not available";
    case 100:
      return "network down";
    case 101:
      return "network unreachable";
    case 103:
      return "connection aborted";
    case 104:
      return "connection reset";
    case 105:
      return "out of buffer space";
    case 106:
      return "already connected";
    case 107:
      return "not connected";
    case 108:
      return "socket shut down";
    case 110:
      return "timed out";
    case 111:
      return "connection refused";
    case 112:
      return "host down";
    case 113:
      return "host unreachable";
    case 114:
      return "operation already in progress";
    case 115:
      return "operation in progress";
    case 116:
      return "stale NFS file handle";
    case 122:
      return "disk quota exceeded";
    default:
      return "unknown error";
  }
}
