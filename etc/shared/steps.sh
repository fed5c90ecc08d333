# Steps that the stages of Debian, Void and Alpine have in common. 1 and 3 read this file and say which steps, in which order.
# A step does nothing where its program, its file or its device is missing; one that fails says so, and the boot goes on.
# shellcheck shell=sh

say() { echo "stage ${0##*/}: $*"; }
has() { command -v "$1" >/dev/null 2>&1; }
# Runs a program, if there is one of this name.
try() { has "$1" || return 0; "$@" || say "failed: $*"; }

# A container has got its file systems, devices, clock and kernel settings from outside.
is_container() { [ -n "${container:-}" ] || [ -e /.dockerenv ] || [ -e /run/.containerenv ]; }
# Whether a word is on the kernel command line.
kernel_says() { case " $(cat /proc/cmdline 2>/dev/null) " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
is_mounted() { grep -q " $1 " /proc/self/mounts 2>/dev/null; }
# The options of / in a file like fstab(5).
root_options() { awk '$1 !~ /^#/ && $2 == "/" { options = $4 } END { print "," options "," }' "$1" 2>/dev/null; }
# Whether the administrator wants these steps though the distribution has its own.
is_native() { [ -n "${bootrun:-}" ] || [ -e /etc/runit/native.boot.run ]; }

# ── up ──

# mount_on DIRECTORY TYPE OPTIONS
mount_on() {
  is_mounted "$1" && return
  mkdir -p "$1" 2>/dev/null
  mount -t "$2" -o "$3" "$2" "$1" || say "failed: mount $1"
}
mount_kernel_file_systems() {
  [ -e /proc/self ] || mount -t proc -o nosuid,noexec,nodev proc /proc
  if ! is_container; then
    mount_on /sys sysfs nosuid,noexec,nodev
    mount_on /dev devtmpfs mode=755,nosuid
    mount_on /dev/pts devpts gid=5,mode=620,nosuid,noexec
    [ -d /sys/fs/cgroup ] && mount_on /sys/fs/cgroup cgroup2 nosuid,noexec,nodev
    [ -d /sys/kernel/security ] && mount_on /sys/kernel/security securityfs nosuid,noexec,nodev
    [ -d /sys/firmware/efi/efivars ] && mount_on /sys/firmware/efi/efivars efivarfs nosuid,noexec,nodev
  fi
  mount_on /dev/shm tmpfs mode=1777,nosuid,nodev
  mount_on /run tmpfs mode=755,nosuid,nodev
  [ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
  [ -e /dev/stdin ] || ln -s /proc/self/fd/0 /dev/stdin
  [ -e /dev/stdout ] || ln -s /proc/self/fd/1 /dev/stdout
  [ -e /dev/stderr ] || ln -s /proc/self/fd/2 /dev/stderr
}

# make_flags STOPIT REBOOT: the flags that init and ctrlaltdel set: not set yet.
make_flags() {
  for flag; do
    mkdir -p "${flag%/*}"
    : >"$flag"
    chmod 0 "$flag"
  done
}
# link_flags STOPIT REBOOT: where process 1 looks for them, for when / can be written.
link_flags() {
  for flag; do
    link=/etc/runit/${flag##*[/.]}
    [ "$(readlink "$link")" = "$flag" ] || ln -sf "$flag" "$link"
  done
}

find_udevd() {
  for udevd in /usr/lib/systemd/systemd-udevd /lib/systemd/systemd-udevd /usr/sbin/udevd /usr/bin/udevd /sbin/udevd; do
    [ -x "$udevd" ] && return
  done
  return 1
}
# Devices that are there already: udev or mdev makes their nodes and loads their modules.
find_devices() {
  is_container && return
  if find_udevd; then
    "$udevd" --daemon
    udevadm trigger --action=add --type=subsystems
    udevadm trigger --action=add --type=devices
    udevadm settle --timeout=30
  elif has mdev; then
    mdev -s
    has modprobe && find /sys/devices -name modalias -type f -exec cat {} + | sort -u | xargs modprobe -a -b 2>/dev/null
    mdev -s # what the modules have found
  fi
  make_nodes_of_modules
}
# Nodes that load their module when they are opened (fuse, tun, loop-control): of major and minor numbers known beforehand.
make_nodes_of_modules() {
  nodes=/lib/modules/$(uname -r)/modules.devname
  [ -r "$nodes" ] || return 0
  while read -r _ name device; do
    case $device in [bc][0-9]*:*) ;; *) continue ;; esac
    [ -e "/dev/$name" ] && continue
    mkdir -p "/dev/${name%"${name##*/}"}"
    numbers=${device#?}
    mknod -m 600 "/dev/$name" "${device%"$numbers"}" "${numbers%:*}" "${numbers#*:}"
  done <"$nodes"
}
# If a service does it from now on, udevd makes way for that.
release_devices() {
  [ -e "$1/udevd" ] && find_udevd && udevadm control --exit
}
load_modules() {
  is_container && return
  has modprobe || return 0
  for list in /etc/modules /usr/lib/modules-load.d/*.conf /run/modules-load.d/*.conf /etc/modules-load.d/*.conf; do
    [ -r "$list" ] || continue
    while read -r module options || [ -n "$module" ]; do
      # shellcheck disable=SC2086 # the options are words
      case $module in '' | '#'* | ';'*) ;; *) modprobe -b "$module" $options ;; esac
    done <"$list"
  done
}
set_clock() {
  is_container && return
  [ -e /dev/rtc ] || [ -e /dev/rtc0 ] || return 0
  try hwclock -s
}
find_volumes() {
  is_container && return
  for list in /etc/mdadm.conf /etc/mdadm/mdadm.conf; do
    [ -e "$list" ] && try mdadm --assemble --scan
  done
  try vgchange -a ay --sysinit
}

check_file_systems() {
  is_container || kernel_says fastboot || kernel_says fsck.mode=skip && return
  [ -s /etc/fstab ] && has fsck || return 0
  say "checking file systems"
  # / is checked with the others, unless it can be written already.
  case $(root_options /proc/self/mounts) in *,ro,*) others='' ;; *) others=-R ;; esac
  force=
  if kernel_says forcefsck || kernel_says fsck.mode=force; then force=-f; fi
  # shellcheck disable=SC2086 # none or one word each
  fsck -A -T $others -a $force
  result=$? # a sum, see fsck(8)
  if [ $((result & 4)) -ne 0 ]; then
    say "a file system has errors: repair it with fsck; the machine reboots when you leave this shell"
    try sulogin </dev/console >/dev/console 2>&1
    reboot_now
  fi
  [ $((result & 2)) -eq 0 ] || reboot_now
}
# Skips stage 2.
reboot_now() {
  say "rebooting"
  chmod 100 /etc/runit/reboot
  exit 100
}
mount_file_systems() {
  is_container && return
  case $(root_options /etc/fstab) in
    *,ro,*) ;;
    *) mount -o remount,rw / || say "failed: / cannot be written" ;;
  esac
  [ -s /etc/fstab ] || return 0
  mount -a -O no_netdev -t nonfs,nfs4,cifs,smb3,ceph,glusterfs || say "failed: some file systems are not mounted"
  try swapon -a
}

set_hostname() {
  name=$(sed '/^#/d;/^$/d;q' /etc/hostname 2>/dev/null)
  if [ -n "$name" ]; then echo "$name" >/proc/sys/kernel/hostname; fi
}
start_loopback() { if has ip; then ip link set lo up; else try ifconfig lo up; fi; }
apply_sysctl() {
  is_container && return
  has sysctl || return 0
  for settings in /usr/lib/sysctl.d/*.conf /run/sysctl.d/*.conf /etc/sysctl.d/*.conf /etc/sysctl.conf; do
    # -e: what this kernel does not have is passed over
    [ -r "$settings" ] && sysctl -e -q -p "$settings"
  done
}
# load_seed FILE, save_seed FILE: what the random number generator is fed with at the next boot
load_seed() {
  is_container && return
  [ -s "$1" ] && cat "$1" >/dev/urandom
  save_seed "$1"
}
save_seed() {
  is_container && return
  (umask 077 && mkdir -p "${1%/*}" && dd if=/dev/urandom of="$1" bs=512 count=1 2>/dev/null)
}
make_volatile_files() {
  [ -e /var/run ] || ln -s /run /var/run
  mkdir -p /run/lock /tmp/.X11-unix /tmp/.ICE-unix
  chmod 1777 /run/lock /tmp /tmp/.X11-unix /tmp/.ICE-unix
  rm -f /tmp/.X[0-9]*-lock
  if [ ! -e /run/utmp ]; then
    : >/run/utmp
    chmod 664 /run/utmp
    chgrp utmp /run/utmp 2>/dev/null
  fi
  try systemd-tmpfiles --create --remove --boot --exclude-prefix=/dev
}
save_kernel_messages() {
  is_container && return
  (umask 027 && dmesg >/var/log/dmesg)
}

# ── down ──

# stop_services DIRECTORY: TERM, and KILL after SVWAIT seconds (SVWAIT=60 may stand on the kernel command line)
stop_services() {
  SVWAIT=${SVWAIT:-20}
  export SVWAIT
  say "waiting for services to stop"
  sv force-stop "$1"/*
  sv exit "$1"/*
}
# Whether no process is left but process 1, this one, and the kernel's: those have no program.
is_alone() {
  for program in /proc/[0-9]*/exe; do
    case $program in
      /proc/1/exe | "/proc/$$/exe") ;;
      *) [ ! -e "$program" ] || return 1 ;;
    esac
  done
}
# TERM, and KILL after five seconds, to whatever is no service. The shell's own kill spares process 1 and the shell.
end_processes() {
  say "ending all processes"
  kill -TERM -1 2>/dev/null
  for _ in 1 2 3 4 5; do
    sleep 1
    is_alone && return
  done
  kill -KILL -1 2>/dev/null
}
save_clock() {
  is_container && return
  [ -e /dev/rtc ] || [ -e /dev/rtc0 ] || return 0
  try hwclock -w
}
# What is in memory stays: the flags are in /run.
unmount_file_systems() {
  is_container && return
  say "unmounting file systems"
  try swapoff -a
  umount -a -r -t noproc,sysfs,devtmpfs,tmpfs,rootfs,devpts,cgroup2,securityfs,efivarfs
  sync
  mount -o remount,ro /
}
