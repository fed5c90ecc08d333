// Signatures of the C functions in posix.c: the one list. scripts/bindings.mjs makes the FFI manifest and the C header
// from it. Under Node these declarations have no bodies: only posix.ts and bin may import this module.
//
// Convention: a negative result is -errno; anything longer than a number goes into a buffer that was passed in.
// A string carries one character (0 to 255) per byte.

export declare function posix_argument(index: number, into: Uint8Array): number;
export declare function posix_argument_drop(): number;
export declare function posix_argument_set(index: number, text: string): number;
export declare function posix_executed_path(into: Uint8Array): number;
export declare function posix_environment(name: string, into: Uint8Array): number;
export declare function posix_environment_unset(name: string): number;
export declare function posix_environment_add(name: string, value: Uint8Array, valueBytes: number): number;
export declare function posix_argument_cut(count: number): number;
export declare function posix_constant(which: number, into: Uint8Array): number;

export declare function posix_open(path: string, flags: number, mode: number): number;
export declare function posix_close_fd(fd: number): number;
export declare function posix_read(fd: number, into: Uint8Array, from: number, to: number): number;
export declare function posix_read_at(fd: number, into: Uint8Array, offset: number): number;
export declare function posix_write(fd: number, bytes: Uint8Array, from: number, to: number): number;
export declare function posix_write_text(fd: number, text: string): number;
export declare function posix_write_if_ready(fd: number, text: string): number;
export declare function posix_write_now(fd: number, bytes: Uint8Array, from: number, to: number): number;
export declare function posix_write_at(fd: number, bytes: Uint8Array, offset: number): number;
export declare function posix_replace(temporary: string, path: string, bytes: Uint8Array, mode: number): number;
export declare function posix_replace_text(temporary: string, path: string, text: string, mode: number): number;
export declare function posix_stat(path: string, follow: number, into: Uint8Array): number;
export declare function posix_stat_fd(fd: number, into: Uint8Array): number;
export declare function posix_chmod(path: string, mode: number): number;
export declare function posix_chmod_fd(fd: number, mode: number): number;
export declare function posix_set_owner(path: string, uid: number, gid: number): number;
export declare function posix_truncate(fd: number, bytes: number): number;
export declare function posix_sync(fd: number): number;
export declare function posix_file_system(path: string): number;
export declare function posix_mkdir(path: string, mode: number): number;
export declare function posix_mkfifo(path: string, mode: number): number;
export declare function posix_readlink(path: string, into: Uint8Array): number;
export declare function posix_current_directory(into: Uint8Array): number;
export declare function posix_symlink(target: string, path: string): number;
export declare function posix_rename(from: string, to: string): number;
export declare function posix_exchange(one: string, other: string): number;
export declare function posix_unlink(path: string): number;
export declare function posix_rmdir(path: string): number;
export declare function posix_chdir(path: string): number;
export declare function posix_fchdir(fd: number): number;
export declare function posix_directory_open(path: string): number;
export declare function posix_directory_next(into: Uint8Array): number;
export declare function posix_directory_close(): number;
export declare function posix_pipe(into: Uint8Array): number;
export declare function posix_tee(from: number, to: number, maxBytes: number): number;
export declare function posix_take(fd: number, window: Uint8Array, from: number, to: number): number;
export declare function posix_mark_taking(fd: number, offset: number): number;
export declare function posix_pipe_capacity(fd: number, bytes: number): number;
export declare function posix_raise_fd(fd: number, lowest: number): number;
export declare function posix_send_datagram(
  address: number,
  port: number,
  bytes: Uint8Array,
  from: number,
  to: number,
): number;
export declare function posix_move_fd(from: number, to: number): number;
export declare function posix_set_nonblocking(fd: number): number;
export declare function posix_flock(fd: number, waits: number): number;
export declare function posix_lock_records(fd: number): number;
export declare function posix_pass_on(fd: number): number;
export declare function posix_is_terminal(fd: number): number;

export declare function posix_find(bytes: Uint8Array, from: number, to: number, value: number): number;
export declare function posix_find_text(bytes: Uint8Array, from: number, to: number, text: string): number;
export declare function posix_find_last(bytes: Uint8Array, from: number, to: number, value: number): number;
export declare function posix_copy_lines(
  source: Uint8Array,
  from: number,
  to: number,
  head: Uint8Array,
  headBytes: number,
  out: Uint8Array,
  outBytes: number,
  reached: Uint8Array,
): number;

export declare function posix_clock_wall(into: Uint8Array): number;
export declare function posix_clock_monotonic(): number;
export declare function posix_clock_boot(): number;
export declare function posix_zone_seconds(seconds: number): number;
export declare function posix_ticks(): number;
export declare function posix_utmp_bytes(): number;

export declare function posix_pid(): number;
export declare function posix_kill(pid: number, signal: number): number;
export declare function posix_kill_group(pid: number, signal: number): number;
export declare function posix_kill_all(signal: number): number;
export declare function posix_uid(): number;
export declare function posix_umask(mode: number): number;
export declare function posix_subreaper(): number;
export declare function posix_fresh_children(): number;
export declare function posix_keep_above(fd: number): number;
export declare function posix_raise_fd_limit(): number;
export declare function posix_pidfd(pid: number): number;
export declare function posix_pidfd_kill(fd: number, signal: number): number;
export declare function posix_pidfd_status(fd: number): number;
export declare function posix_reap(into: Uint8Array): number;
export declare function posix_spawn_begin(exitCode: number, searchPath: number, program: string): number;
export declare function posix_spawn_argument(text: string): number;
export declare function posix_spawn_own_arguments(index: number): number;
export declare function posix_spawn_variable(text: string): number;
export declare function posix_spawn_step(kind: number, first: number, second: number, text: string): number;
export declare function posix_spawn_run(into: Uint8Array): number;
export declare function posix_spawned(): number;
export declare function posix_watch_end(pid: number): number;
export declare function posix_watched_end(): number;
export declare function posix_reboot(command: number): number;
export declare function posix_sync_all(): number;

export declare function posix_session(): number;
export declare function posix_chroot(path: string): number;
export declare function posix_nice(increment: number): number;
export declare function posix_limit(resource: number, into: Uint8Array): number;
export declare function posix_limit_set(
  resource: number,
  softHigh: number,
  softLow: number,
  hardHigh: number,
  hardLow: number,
): number;
export declare function posix_account(name: string, into: Uint8Array): number;
export declare function posix_group(name: string): number;
export declare function posix_memberships(name: string, gid: number, into: Uint8Array): number;
export declare function posix_set_groups(gids: Uint8Array): number;
export declare function posix_set_gid(gid: number): number;
export declare function posix_set_uid(uid: number): number;
export declare function posix_drop_bounding(capability: number): number;
export declare function posix_drop_capabilities(high: number, low: number): number;
export declare function posix_reserve(bytes: number): number;
export declare function posix_no_new_privileges(): number;
export declare function posix_execute(path: string, argument: number): number;

export declare function posix_signals_watch(mask: number): number;
export declare function posix_signals_taken(): number;
export declare function posix_poll_clear(): number;
export declare function posix_poll_add(fd: number, events: number): number;
export declare function posix_poll_wait(milliseconds: number): number;
export declare function posix_poll_ready(index: number): number;

export declare function posix_listen(path: string): number;
export declare function posix_connect(path: string): number;
export declare function posix_accept(fd: number): number;
export declare function posix_peer_uid(fd: number): number;

export declare function posix_inotify_open(): number;
export declare function posix_inotify_add(fd: number, path: string, mask: number): number;
export declare function posix_inotify_remove(fd: number, watch: number): number;

export declare function posix_title(argument: number, bytes: Uint8Array): number;
export declare function posix_guard(on: number, label: string): number;
export declare function posix_keep(text: string): number;
export declare function posix_keep_fd(fd: number, on: number): number;
export declare function posix_kept(into: Uint8Array): number;
