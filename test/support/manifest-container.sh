# A container as a kubelet would start it, without an image or a runtime: in mount namespace and root of its own.
#
#   unshare --mount sh manifest-container.sh ROOT MOUNTS NETNS SETPRIV-OPTIONS -- COMMAND…
#
# ROOT is an empty folder, MOUNTS a file with a line `source target ro|rw` for each mount.
set -eu
root=$1 mounts=$2 netns=$3
shift 3
mount --make-rprivate /
mount -t tmpfs tmpfs "$root"
for folder in usr bin sbin lib lib64; do
  if [ -L "/$folder" ]; then cp -P "/$folder" "$root/$folder"
  elif [ -d "/$folder" ]; then mkdir "$root/$folder" && mount --rbind "/$folder" "$root/$folder"; fi
done
mkdir "$root/etc" "$root/proc" "$root/dev"
for file in ld.so.cache nsswitch.conf passwd group; do
  if [ -e "/etc/$file" ]; then cp "/etc/$file" "$root/etc/"; fi
done
mount --rbind /proc "$root/proc"
# As container runtimes have it.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount --rbind /dev "$root/dev"
while read -r source target mode; do
  if [ -d "$source" ]; then mkdir -p "$root$target"
  else mkdir -p "$(dirname "$root$target")" && touch "$root$target"; fi
  mount --rbind "$source" "$root$target"
  if [ "$mode" = ro ]; then mount -o remount,bind,ro "$root$target"; fi
done <"$mounts"
mount -o remount,ro "$root"
exec nsenter "--net=$netns" -- chroot "$root" setpriv "$@"
