// The System that is real.

import type { Timestamp } from "../core/supervise/service.ts";
import { bytesOf, textAt } from "../core/text/bytes.ts";
import { ERANGE } from "../core/text/errors.ts";
import type { Word } from "../core/text/numbers.ts";
import {
  posix_accept,
  posix_account,
  posix_argument,
  posix_argument_cut,
  posix_argument_drop,
  posix_argument_set,
  posix_chdir,
  posix_chmod,
  posix_chmod_fd,
  posix_chroot,
  posix_clock_boot,
  posix_clock_monotonic,
  posix_clock_wall,
  posix_close_fd,
  posix_connect,
  posix_constant,
  posix_copy_lines,
  posix_current_directory,
  posix_directory_close,
  posix_directory_next,
  posix_directory_open,
  posix_drop_bounding,
  posix_drop_capabilities,
  posix_environment,
  posix_environment_add,
  posix_environment_unset,
  posix_exchange,
  posix_execute,
  posix_executed_path,
  posix_fchdir,
  posix_file_system,
  posix_find,
  posix_find_last,
  posix_find_text,
  posix_flock,
  posix_fresh_children,
  posix_group,
  posix_guard,
  posix_inotify_add,
  posix_inotify_open,
  posix_inotify_remove,
  posix_is_terminal,
  posix_keep,
  posix_keep_above,
  posix_keep_fd,
  posix_kept,
  posix_kill,
  posix_kill_all,
  posix_kill_group,
  posix_limit,
  posix_limit_set,
  posix_listen,
  posix_lock_records,
  posix_mark_taking,
  posix_memberships,
  posix_mkdir,
  posix_mkfifo,
  posix_move_fd,
  posix_nice,
  posix_no_new_privileges,
  posix_open,
  posix_pass_on,
  posix_peer_uid,
  posix_pid,
  posix_pidfd,
  posix_pidfd_kill,
  posix_pidfd_status,
  posix_pipe,
  posix_pipe_capacity,
  posix_poll_add,
  posix_poll_clear,
  posix_poll_ready,
  posix_poll_wait,
  posix_raise_fd,
  posix_raise_fd_limit,
  posix_read,
  posix_read_at,
  posix_readlink,
  posix_reap,
  posix_reboot,
  posix_rename,
  posix_replace,
  posix_replace_text,
  posix_reserve,
  posix_rmdir,
  posix_send_datagram,
  posix_session,
  posix_set_gid,
  posix_set_groups,
  posix_set_nonblocking,
  posix_set_owner,
  posix_set_uid,
  posix_signals_taken,
  posix_signals_watch,
  posix_spawn_argument,
  posix_spawn_begin,
  posix_spawn_own_arguments,
  posix_spawn_run,
  posix_spawn_step,
  posix_spawn_variable,
  posix_spawned,
  posix_stat,
  posix_stat_fd,
  posix_subreaper,
  posix_symlink,
  posix_sync,
  posix_sync_all,
  posix_take,
  posix_tee,
  posix_ticks,
  posix_title,
  posix_truncate,
  posix_uid,
  posix_umask,
  posix_unlink,
  posix_utmp_bytes,
  posix_watch_end,
  posix_watched_end,
  posix_write,
  posix_write_at,
  posix_write_if_ready,
  posix_write_now,
  posix_write_text,
  posix_zone_seconds,
} from "./native.ts";
import type {
  Account,
  EndedChild,
  FileIdentity,
  FileKind,
  FileStat,
  Limit,
  LineCopy,
  Pipe,
  Polled,
  RebootCommand,
  Spawned,
  SpawnPlan,
  SpawnStep,
  Text,
  WatchedSignal,
} from "./system.ts";
import { System, watchableSignals } from "./system.ts";

// As in posix.c.
const stepDirectory = 0;
const stepDuplicate = 1;
const stepSession = 2;
const stepRecord = 3;
const stepForeground = 5;

export class PosixSystem extends System {
  // One buffer for all short answers; grown for a long argument, never given away.
  #room = new Uint8Array(128);

  override get argv(): readonly string[] {
    const all: string[] = [];
    for (;;) {
      const length = posix_argument(all.length, this.#room);
      if (length < 0) return all;
      if (length > this.#room.length) this.#room = new Uint8Array(length);
      else all.push(textAt(this.#room, 0, length));
    }
  }

  override dropArgument(): void {
    posix_argument_drop();
  }

  override get executedPath(): string {
    const path = new Uint8Array(4096);
    return textAt(path, 0, posix_executed_path(path));
  }
  override cutArguments(count: number): void {
    posix_argument_cut(count);
  }
  override setArgument(index: number, text: string): void {
    posix_argument_set(index, text);
  }
  override unsetEnvironment(name: string): void {
    posix_environment_unset(name);
  }
  override addEnvironment(name: string, value: Uint8Array, length: number): number {
    return posix_environment_add(name, value, length);
  }
  override environment(name: string): string | undefined {
    for (;;) {
      const length = posix_environment(name, this.#room);
      if (length < 0) return undefined;
      if (length <= this.#room.length) return textAt(this.#room, 0, length);
      this.#room = new Uint8Array(length);
    }
  }

  override get serviceDirectory(): string {
    return this.#constant(0);
  }
  override get stopFlag(): string {
    return this.#constant(1);
  }
  override get rebootFlag(): string {
    return this.#constant(2);
  }
  /** As posix.c numbers them. */
  #constant(which: number): string {
    const path = new Uint8Array(4096);
    return textAt(path, 0, posix_constant(which, path));
  }

  override open(path: string, flags: number, mode: number): number {
    return posix_open(path, flags, mode);
  }
  override close(fd: number): number {
    return posix_close_fd(fd);
  }
  override read(fd: number, into: Uint8Array): number {
    return posix_read(fd, into, 0, into.length);
  }
  override readAt(fd: number, into: Uint8Array, offset: number): number {
    return posix_read_at(fd, into, offset);
  }
  override write(fd: number, bytes: Uint8Array, from: number, to: number): number {
    return posix_write(fd, bytes, from, to);
  }
  override writeText(fd: number, text: string): number {
    return posix_write_text(fd, text);
  }
  override writeNow(fd: number, bytes: Uint8Array, from: number, to: number): number {
    return posix_write_now(fd, bytes, from, to);
  }
  override complain(text: string): void {
    posix_write_if_ready(2, text);
  }
  override writeAt(fd: number, bytes: Uint8Array, offset: number): number {
    return posix_write_at(fd, bytes, offset);
  }
  override replace(temporary: string, path: string, bytes: Uint8Array, mode: number): number {
    return posix_replace(temporary, path, bytes, mode);
  }
  override replaceText(temporary: string, path: string, text: string, mode: number): number {
    return posix_replace_text(temporary, path, text, mode);
  }
  override stat(path: string, follow: boolean): FileStat {
    return decodeStat(posix_stat(path, follow ? 1 : 0, this.#room), this.#room);
  }
  override statFd(fd: number): FileStat {
    return decodeStat(posix_stat_fd(fd, this.#room), this.#room);
  }
  override chmod(path: string, mode: number): number {
    return posix_chmod(path, mode);
  }
  override chmodFd(fd: number, mode: number): number {
    return posix_chmod_fd(fd, mode);
  }
  override setOwner(path: string, uid: number, gid: number): number {
    return posix_set_owner(path, uid, gid);
  }
  override truncate(fd: number, bytes: number): number {
    return posix_truncate(fd, bytes);
  }
  override sync(fd: number): number {
    return posix_sync(fd);
  }
  override identify(path: string, follow: boolean): FileIdentity {
    return decodeIdentity(posix_stat(path, follow ? 1 : 0, this.#room), this.#room);
  }
  override identifyFd(fd: number): FileIdentity {
    return decodeIdentity(posix_stat_fd(fd, this.#room), this.#room);
  }
  override fileSystem(path: string): number {
    return posix_file_system(path);
  }
  override mkdir(path: string, mode: number): number {
    return posix_mkdir(path, mode);
  }
  override mkfifo(path: string, mode: number): number {
    return posix_mkfifo(path, mode);
  }
  override readlink(path: string): Text {
    let bytes = this.#room;
    let length = posix_readlink(path, bytes);
    if (length === bytes.length) {
      bytes = new Uint8Array(4096); // there may be more of it
      length = posix_readlink(path, bytes);
    }
    return length < 0 ? { errno: -length, text: "" } : { errno: 0, text: textAt(bytes, 0, length) };
  }
  override currentDirectory(): Text {
    let bytes = this.#room;
    let length = posix_current_directory(bytes);
    if (length === -ERANGE) {
      bytes = new Uint8Array(4096); // few are so long
      length = posix_current_directory(bytes);
    }
    return length < 0 ? { errno: -length, text: "" } : { errno: 0, text: textAt(bytes, 0, length) };
  }
  override symlink(target: string, path: string): number {
    return posix_symlink(target, path);
  }
  override rename(from: string, to: string): number {
    return posix_rename(from, to);
  }
  override exchange(one: string, other: string): number {
    return posix_exchange(one, other);
  }
  override unlink(path: string): number {
    return posix_unlink(path);
  }
  override rmdir(path: string): number {
    return posix_rmdir(path);
  }
  override chdir(path: string): number {
    return posix_chdir(path);
  }
  override fchdir(fd: number): number {
    return posix_fchdir(fd);
  }
  override list(path: string, into: string[]): number {
    const opened = posix_directory_open(path);
    if (opened < 0) return opened;
    const name = new Uint8Array(256); // the longest there is has 255 bytes
    let length = posix_directory_next(name);
    for (; length > 0; length = posix_directory_next(name)) into.push(textAt(name, 0, length));
    posix_directory_close();
    return length;
  }
  override pipe(): Pipe {
    const result = posix_pipe(this.#room);
    if (result < 0) return { errno: -result, read: -1, write: -1 };
    return { errno: 0, read: doubleAt(this.#room, 0), write: doubleAt(this.#room, 8) };
  }
  override tee(from: number, to: number, maxBytes: number): number {
    return posix_tee(from, to, maxBytes);
  }
  override take(fd: number, window: Uint8Array, from: number, to: number): number {
    return posix_take(fd, window, from, to);
  }
  override markTaking(fd: number, offset: number): number {
    return posix_mark_taking(fd, offset);
  }
  override pipeCapacity(fd: number, bytes: number): number {
    return posix_pipe_capacity(fd, bytes);
  }
  override raiseFd(fd: number, lowest: number): number {
    return posix_raise_fd(fd, lowest);
  }
  override moveFd(from: number, to: number): number {
    return posix_move_fd(from, to);
  }
  override setNonblocking(fd: number): number {
    return posix_set_nonblocking(fd);
  }
  override lock(fd: number): number {
    return posix_flock(fd, 0);
  }
  override awaitLock(fd: number): number {
    return posix_flock(fd, 1);
  }
  override awaitRecordLock(fd: number): number {
    return posix_lock_records(fd);
  }
  override passOn(fd: number): number {
    return posix_pass_on(fd);
  }
  override isTerminal(fd: number): boolean {
    return posix_is_terminal(fd) !== 0;
  }

  override find(bytes: Uint8Array, from: number, to: number, value: number): number {
    return posix_find(bytes, from, to, value);
  }
  override findText(bytes: Uint8Array, from: number, to: number, text: string): number {
    return posix_find_text(bytes, from, to, text);
  }
  override findLast(bytes: Uint8Array, from: number, to: number, value: number): number {
    return posix_find_last(bytes, from, to, value);
  }
  override copyLines(source: Uint8Array, job: LineCopy): void {
    posix_copy_lines(source, job.from, job.to, job.head, job.headLength, job.out, job.outLength, this.#room);
    job.from = doubleAt(this.#room, 0);
    job.outLength = doubleAt(this.#room, 8);
  }
  override sendDatagram(address: number, port: number, bytes: Uint8Array, from: number, to: number): number {
    return posix_send_datagram(address, port, bytes, from, to);
  }

  override now(): Timestamp {
    posix_clock_wall(this.#room);
    return { seconds: doubleAt(this.#room, 0), nanoseconds: doubleAt(this.#room, 8) };
  }
  override zoneSeconds(seconds: number): number {
    return posix_zone_seconds(seconds);
  }
  override monotonic(): number {
    return posix_clock_monotonic();
  }
  override bootClock(): number {
    return posix_clock_boot();
  }
  override get ticksPerSecond(): number {
    return posix_ticks();
  }
  override get utmpRecordBytes(): number {
    return posix_utmp_bytes();
  }

  override get pid(): number {
    return posix_pid();
  }
  override kill(pid: number, signal: number): number {
    return posix_kill(pid, signal);
  }
  override killGroup(pid: number, signal: number): number {
    return posix_kill_group(pid, signal);
  }
  override killAll(signal: number): number {
    return posix_kill_all(signal);
  }
  override pidfd(pid: number): number {
    return posix_pidfd(pid);
  }
  override pidfdKill(fd: number, signal: number): number {
    return posix_pidfd_kill(fd, signal);
  }
  override pidfdStatus(fd: number): number {
    return posix_pidfd_status(fd);
  }
  override reap(): EndedChild {
    const pid = posix_reap(this.#room);
    return pid <= 0 ? { pid: 0, waitStatus: 0 } : { pid, waitStatus: doubleAt(this.#room, 0) };
  }

  override get uid(): number {
    return posix_uid();
  }
  override setUmask(mode: number): number {
    return posix_umask(mode);
  }
  override becomeSubreaper(): number {
    return posix_subreaper();
  }
  override freshenChildren(): void {
    posix_fresh_children();
  }
  override keepAbove(fd: number): void {
    posix_keep_above(fd);
  }
  override raiseFdLimit(): void {
    posix_raise_fd_limit();
  }

  override spawn(plan: SpawnPlan): Spawned {
    const steps: SpawnStep[] = [];
    const begun = posix_spawn_begin(plan.exitCode, plan.searchPath ? 1 : 0, plan.program);
    if (begun < 0) return { pid: begun, errno: 0, failedStep: "exec" };
    for (const argument of plan.argv) {
      const result = posix_spawn_argument(argument);
      if (result < 0) return { pid: result, errno: 0, failedStep: "exec" };
    }
    if (plan.ownArguments > 0) posix_spawn_own_arguments(plan.ownArguments);
    for (const variable of plan.variables) {
      const result = posix_spawn_variable(variable);
      if (result < 0) return { pid: result, errno: 0, failedStep: "exec" };
    }
    if (plan.newSession) {
      posix_spawn_step(stepSession, 0, 0, "");
      steps.push("session");
    }
    const moves: readonly (readonly [number, number, SpawnStep])[] = [
      [plan.stdin, 0, "stdin"],
      [plan.stdout, 1, "stdout"],
      [plan.stderr, 2, "stderr"],
      [plan.state, 4, "state"],
      [plan.newState, 5, "newState"],
    ];
    for (const [from, to, name] of moves) {
      if (from < 0) continue;
      posix_spawn_step(stepDuplicate, from, to, "");
      steps.push(name);
    }
    if (plan.inForeground) {
      posix_spawn_step(stepForeground, 0, 0, "");
      steps.push("foreground");
    }
    if (plan.directory !== "") {
      posix_spawn_step(stepDirectory, 0, 0, plan.directory);
      steps.push("directory");
    }
    if (plan.record >= 0) {
      posix_spawn_step(stepRecord, plan.record, plan.phase, "");
      steps.push("exec"); // it cannot fail
    }
    const pid = posix_spawn_run(this.#room);
    if (pid < 0) return { pid, errno: 0, failedStep: "exec" };
    const failed = doubleAt(this.#room, 0);
    if (failed === 0) return { pid, errno: 0, failedStep: "exec" };
    return { pid, errno: doubleAt(this.#room, 8), failedStep: steps[failed - 1] ?? "exec" };
  }

  override get lastSpawned(): number {
    return posix_spawned();
  }
  override watchEnd(pid: number): void {
    posix_watch_end(pid);
  }
  override get watchedEnd(): number {
    return posix_watched_end();
  }
  override reboot(command: RebootCommand): number {
    const commands: readonly RebootCommand[] = ["keep ctrl-alt-del", "restart", "power off", "halt"];
    return posix_reboot(commands.indexOf(command));
  }
  override syncAll(): void {
    posix_sync_all();
  }

  override newSession(): number {
    return posix_session();
  }
  override chroot(path: string): number {
    return posix_chroot(path);
  }
  override nice(increment: number): number {
    return posix_nice(increment);
  }
  override limit(resource: number): Limit {
    const result = posix_limit(resource, this.#room);
    if (result < 0) return { errno: -result, soft: { high: 0, low: 0 }, hard: { high: 0, low: 0 } };
    return { errno: 0, soft: wordAt(this.#room, 0), hard: wordAt(this.#room, 8) };
  }
  override setLimit(resource: number, soft: Word, hard: Word): number {
    return posix_limit_set(resource, soft.high, soft.low, hard.high, hard.low);
  }
  override account(name: string): Account {
    const result = posix_account(name, this.#room);
    if (result <= 0) return { errno: -result, found: false, uid: 0, gid: 0 };
    return { errno: 0, found: true, uid: doubleAt(this.#room, 0), gid: doubleAt(this.#room, 8) };
  }
  override group(name: string): number {
    return posix_group(name);
  }
  override memberships(name: string, gid: number): readonly number[] {
    const bytes = new Uint8Array(posix_memberships(name, gid, new Uint8Array(0)) * 4);
    const count = Math.min(posix_memberships(name, gid, bytes), bytes.length / 4);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const gids: number[] = [];
    for (let i = 0; i < count; i++) gids.push(view.getUint32(i * 4, true));
    return gids;
  }
  override setGroups(gids: readonly number[]): number {
    const bytes = new Uint8Array(gids.length * 4);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    for (const gid of gids) {
      view.setUint32(at, gid, true);
      at += 4;
    }
    return posix_set_groups(bytes);
  }
  override setGid(gid: number): number {
    return posix_set_gid(gid);
  }
  override setUid(uid: number): number {
    return posix_set_uid(uid);
  }
  override dropBounding(capability: number): number {
    return posix_drop_bounding(capability);
  }
  override dropCapabilities(capabilities: readonly number[]): number {
    let high = 0;
    let low = 0;
    for (let number = 0; number < 32; number++) {
      if (capabilities.includes(number)) low += 2 ** number;
      if (capabilities.includes(number + 32)) high += 2 ** number;
    }
    return posix_drop_capabilities(high, low);
  }
  override reserveMemory(bytes: number): void {
    posix_reserve(bytes);
  }
  override setNoNewPrivileges(): number {
    return posix_no_new_privileges();
  }
  override execute(path: string, argument: number): number {
    return posix_execute(path, argument);
  }

  override watchSignals(signals: readonly WatchedSignal[]): void {
    let mask = 0;
    let bit = 1;
    for (const signal of watchableSignals()) {
      if (signals.includes(signal)) mask += bit;
      bit *= 2;
    }
    posix_signals_watch(mask);
  }
  override takeSignals(): number {
    return posix_signals_taken();
  }
  override poll(fds: readonly Polled[], milliseconds: number): number {
    posix_poll_clear();
    for (const { fd, awaits } of fds) posix_poll_add(fd, awaits === "data" ? 1 : awaits === "end" ? 2 : 3);
    return posix_poll_wait(milliseconds);
  }
  override isReady(index: number): boolean {
    return posix_poll_ready(index) > 0;
  }

  override listen(path: string): number {
    return posix_listen(path);
  }
  override connect(path: string): number {
    return posix_connect(path);
  }
  override accept(fd: number): number {
    return posix_accept(fd);
  }
  override peerUid(fd: number): number {
    return posix_peer_uid(fd);
  }

  override inotifyOpen(): number {
    return posix_inotify_open();
  }
  override inotifyAdd(fd: number, path: string, mask: number): number {
    return posix_inotify_add(fd, path, mask);
  }
  override inotifyRemove(fd: number, watch: number): number {
    return posix_inotify_remove(fd, watch);
  }

  override setTitle(argument: number, text: string): void {
    posix_title(argument, bytesOf(text));
  }

  override guard(): void {
    posix_guard(1, "");
  }
  override endGuard(): void {
    posix_guard(0, "");
  }
  override guardState(label: string): void {
    posix_guard(2, label);
  }
  override keep(text: string): void {
    posix_keep(text);
  }
  override keepFd(fd: number, on: boolean): void {
    posix_keep_fd(fd, on ? 1 : 0);
  }
  override kept(): string | undefined {
    const needed = posix_kept(new Uint8Array(0));
    if (needed < 0) return undefined;
    const bytes = new Uint8Array(needed);
    return textAt(bytes, 0, posix_kept(bytes));
  }
}

function doubleAt(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getFloat64(offset, true);
}

function wordAt(bytes: Uint8Array, offset: number): Word {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return { high: view.getUint32(offset + 4, true), low: view.getUint32(offset, true) };
}

/** As put_stat in posix.c lays it out. */
function decodeStat(result: number, bytes: Uint8Array): FileStat {
  if (result < 0) return { errno: -result, kind: "other", mode: 0, bytes: 0, inode: 0, uid: 0, links: 0 };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const mode = view.getFloat64(0, true);
  const inode = view.getUint32(84, true) * 4294967296 + view.getUint32(80, true);
  return {
    errno: 0,
    kind: kindOf(mode),
    mode: mode % 0o10000,
    bytes: view.getFloat64(8, true),
    inode,
    uid: view.getFloat64(88, true),
    links: view.getFloat64(16, true),
  };
}

/** The same, for asking which file it is. */
function decodeIdentity(result: number, bytes: Uint8Array): FileIdentity {
  if (result < 0) {
    return { errno: -result, kind: "other", identity: "", inode: "", version: "", changedSeconds: 0 };
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const mode = view.getFloat64(0, true);
  const modified = `${view.getFloat64(24, true)}.${view.getFloat64(32, true)}`;
  const changed = `${view.getFloat64(40, true)}.${view.getFloat64(48, true)}`;
  const device = `${view.getUint32(76, true)}:${view.getUint32(72, true)}`;
  const inode = `${view.getUint32(84, true)}:${view.getUint32(80, true)}`;
  const modifiedSeconds = view.getFloat64(24, true) + view.getFloat64(32, true) / 1e9;
  const changedSeconds = view.getFloat64(40, true) + view.getFloat64(48, true) / 1e9;
  return {
    errno: 0,
    kind: kindOf(mode),
    identity: `${device}/${inode}/${view.getFloat64(56, true)}.${view.getFloat64(64, true)}`,
    inode,
    version: `${inode}/${modified}/${changed}`,
    changedSeconds: Math.max(modifiedSeconds, changedSeconds),
  };
}

function kindOf(mode: number): FileKind {
  switch (mode - (mode % 0o10000)) {
    case 0o100000:
      return "file";
    case 0o040000:
      return "directory";
    case 0o010000:
      return "fifo";
    case 0o120000:
      return "link";
    default:
      return "other";
  }
}
