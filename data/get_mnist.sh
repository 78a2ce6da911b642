#!/bin/sh
# Downloads MNIST into the folder mnist beside this script, unpacks it and checks it.
#
#   sh data/get_mnist.sh               from the mirrors below
#   sh data/get_mnist.sh MIRROR        from MIRROR first; file:///some/folder is one, too
#   MNIST_ONLY=1 sh data/get_mnist.sh MIRROR        from MIRROR and nowhere else
#
# Files that are there and right are kept. A file gets its name only once its checksum is verified.

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 1
folder=$here/mnist
part=$folder/download.$$

say() { echo "get_mnist.sh: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# The SHA-256 of each unpacked file.
list='
ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db train-images-idx3-ubyte
65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5 train-labels-idx1-ubyte
0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7 t10k-images-idx3-ubyte
ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2 t10k-labels-idx1-ubyte
'

sha256() { # the checksum of the file $1
  if have sha256sum; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -d ' ' -f 1
}

fetch() { # the file at the URL $1 into the file $2
  case $1 in
  file://*) cat -- "${1#file://}" >"$2" ;;
  *) # Give up on a mirror that does not answer in 10 seconds or falls silent for 20.
    if have curl; then
      curl -fsSL --connect-timeout 10 --speed-limit 1 --speed-time 20 -o "$2" "$1"
    elif have wget; then
      wget -q -t 1 -T 20 -O "$2" "$1"
    else
      echo "neither curl nor wget is installed"
      return 1
    fi ;;
  esac
}

get_all() { # the files that are missing, from the mirror $1; stops at the first that fails
  while read -r expected name; do
    [ -n "$name" ] || continue
    if [ -f "$folder/$name" ]; then
      found=$(sha256 "$folder/$name")
      [ "$found" = "$expected" ] && continue
    fi
    url=${1%/}/$name.gz
    rm -f "$part" "$part.gz"
    reason=$(fetch "$url" "$part.gz" 2>&1) || {
      status=$?
      reason=$(echo "$reason" | tail -n 1)
      say "$url: expected to download it, found ${reason:-exit status $status}"
      return 1
    }
    reason=$(gunzip -c <"$part.gz" 2>&1 >"$part") || {
      reason=$(echo "$reason" | sed '/^$/d' | tail -n 1)
      say "$url: expected a gzip file, found ${reason:-that it cannot be unpacked}"
      return 1
    }
    found=$(sha256 "$part")
    if [ "$found" != "$expected" ]; then
      say "$url: expected the SHA-256 $expected when unpacked, found $found"
      return 1
    fi
    mv -f "$part" "$folder/$name" || return 1
    echo "$name: from $1"
  done <<END
$list
END
}

have sha256sum || have shasum || {
  say "expected sha256sum or shasum to check the files with, found neither"
  exit 1
}

# An empty argument is none: the Makefile passes its variable whether it is set or not.
first=${1:-}
if [ -n "${MNIST_ONLY:-}" ]; then
  [ -n "$first" ] || {
    say "expected a mirror as the first argument when MNIST_ONLY is set, found none"
    exit 2
  }
  set --
else
  set -- https://ossci-datasets.s3.amazonaws.com/mnist \
    https://storage.googleapis.com/cvdf-datasets/mnist \
    http://yann.lecun.com/exdb/mnist
fi
[ -z "$first" ] || set -- "$first" "$@"

# Whatever happens, leave no half of a file and no empty folder.
trap 'rm -f "$part" "$part.gz"; rmdir "$folder" 2>/dev/null' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

reason=$({ mkdir -p "$folder" && : >"$part"; } 2>&1) || {
  say "$folder: expected a folder to write to, found $(echo "$reason" | tail -n 1)"
  exit 1
}
for mirror; do
  if get_all "$mirror"; then
    echo "MNIST is in $folder"
    exit 0
  fi
done
say "$folder: expected MNIST from a mirror, found that none of $# works;" \
  "data/README.md says how to put the files there by hand"
exit 1
