import { SYSTEM_PATH } from '#shared/machine'

/** Where a sandbox shows the pod's volumes to the script; below the pod's own /run. */
export const VOLUMES_IN_SANDBOX: string = '/run/ambit/volumes'

/**
 * Gives a container its own view of the pod's files: its volumes where it wants them, perhaps a root that it cannot
 * write to. $1 where the volumes are on the machine, $2 `ro` or `rw` for the root, $3 number of mounts, for each a
 * source, a target and `ro` or `rw`; then the command that this becomes.
 *
 * A pod sees the machine's own files, so where a target does not exist it must not be made there. Instead the nearest
 * folder that exists is covered: by an overlay whose upper layer is in memory, with everything that was mounted below it
 * put back; and for `/`, which overlay cannot cover whole, by a new root in memory that leads to all that was in the old
 * one. What lies in a volume, in the pod's own /run or in such a layer, is simply made. The kernel takes all of it away
 * with the container's last process.
 */
export const MOUNT_SCRIPT: string = `
PATH=${SYSTEM_PATH}
volumes=$1 root=$2 left=$3
shift 3
newline='
'
layers=/run/ambit/layers
layer=0
ours="$newline/run$newline"
mounted=$newline
mount -t tmpfs -o mode=700 tmpfs "$layers"

# Is $1 in one of the mounts that were made here?
in_mounted() {
  above=$1
  while [ "$above" != / ]; do
    case $mounted in *"$newline$above$newline"*) return 0 ;; esac
    above=\${above%/*}
    above=\${above:-/}
  done
  return 1
}

# Where there are mounts below $1, one a line. Those that another one hides are passed over. The kernel writes a space of
# a path as an octal escape.
below() {
  while read -r _ _ _ _ point _; do
    point=$(printf %b "$point")
    case $point in "\${1%/}"/?*) if [ -e "$point" ]; then printf '%s\\n' "$point"; fi ;; esac
  done < /proc/self/mountinfo
}

# Makes a new root of what is in the old one, so that more can be made in it.
layer_root() {
  new=$layers/root
  mkdir "$new"
  mount -t tmpfs -o mode=755 tmpfs "$new"
  for entry in /* /.[!.]*; do
    if [ -L "$entry" ]; then cp -P -- "$entry" "$new$entry"
    elif [ -d "$entry" ]; then mkdir -- "$new$entry"; mount --rbind -- "$entry" "$new$entry"
    elif [ -e "$entry" ]; then : > "$new$entry"; mount --bind -- "$entry" "$new$entry"
    fi
  done
  mkdir "$new/.ambit-old-root"
  cd "$new"
  pivot_root . .ambit-old-root
  cd /
  umount -l /.ambit-old-root
  rmdir /.ambit-old-root
}

# Covers the folder $1 by a layer that takes what is made in it.
layer_folder() {
  layer=$((layer + 1))
  mkdir "$layers/$layer" "$layers/$layer/upper" "$layers/$layer/work" "$layers/$layer/old"
  chmod --reference="$1" "$layers/$layer/upper"
  chown --reference="$1" "$layers/$layer/upper" 2> /dev/null || true
  mount --rbind -- "$1" "$layers/$layer/old"
  points=$(below "$1")
  cd "$1"
  mount -t overlay -o "lowerdir=.,upperdir=$layers/$layer/upper,workdir=$layers/$layer/work" overlay "$1"
  cd /
  printf '%s\\n' "$points" | while IFS= read -r point; do
    if [ -n "$point" ]; then mount --rbind -- "$layers/$layer/old\${point#"$1"}" "$point"; fi
  done
}

# Makes the target $1 for the source $2, nothing of which is on the machine's own file system.
make_target() {
  parent=$1
  while [ ! -d "$parent" ]; do
    parent=\${parent%/*}
    parent=\${parent:-/}
  done
  if ! in_mounted "$parent"; then
    point=$(stat -c %m -- "$parent")
    case $ours in
      *"$newline$point$newline"*) ;;
      *)
        if [ "$parent" = / ]; then layer_root; else layer_folder "$parent"; fi
        ours="$ours$parent$newline"
        ;;
    esac
  fi
  if [ -d "$2" ]; then mkdir -p -- "$1"; else mkdir -p -- "\${1%/*}/"; : >> "$1"; fi
}

while [ "$left" -gt 0 ]; do
  source=$1
  case $source in "$volumes"/*) source=${VOLUMES_IN_SANDBOX}\${source#"$volumes"} ;; esac
  target=$(readlink -m -- "$2")
  if [ ! -e "$target" ]; then make_target "$target" "$source"; fi
  mount --rbind -- "$source" "$target"
  if [ "$3" = ro ]; then mount -o remount,bind,ro -- "$target"; fi
  mounted="$mounted$target$newline"
  shift 3
  left=$((left - 1))
done
umount -l "$layers"
if [ "$root" = ro ]; then
  { echo /; below /; } | while IFS= read -r point; do
    case $point in /proc | /proc/* | /sys | /sys/* | /dev | /dev/* | /run | /run/*) continue ;; esac
    if ! in_mounted "$point"; then mount -o remount,bind,ro -- "$point"; fi
  done
fi
umount -l ${VOLUMES_IN_SANDBOX}
exec "$@"`

/**
 * Waits until the process $1, which `MOUNT_SCRIPT` prepares, has left this program's mounts and has its own in place:
 * taking away the volumes' place in the sandbox is the script's last step. Then becomes the command that follows, also
 * when the process is gone, of which that one tells, or after 5 s.
 */
export const IN_PLACE_SCRIPT: string = `
PATH=${SYSTEM_PATH}
tries=500
while [ "$tries" -gt 0 ]; do
  if [ "$(readlink "/proc/$1/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ] &&
    ! grep -qs ' ${VOLUMES_IN_SANDBOX} ' "/proc/$1/mountinfo"; then break; fi
  tries=$((tries - 1))
  sleep 0.01
done
shift
exec "$@"`
