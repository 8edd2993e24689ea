#!/bin/busybox sh
# PID 1 of the guest of `cargo xtask check-linux --long`: two processes that make others, and a sign of life.
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
exec >/dev/console 2>&1
for worker in 1 2; do
    (while :; do /bin/busybox true </proc/uptime; done) &
done
sign=0
while :; do
    sign=$((sign + 1))
    echo "alive $sign"
    /bin/busybox usleep 300000
done
