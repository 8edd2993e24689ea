#!/bin/busybox sh
# PID 1 of the guest with two processes that run the same program: each calls kill(2) for ever.
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
exec >/dev/console 2>&1
/bin/guest-check symbols
for twin in first second; do
    /bin/busybox sh -c 'while :; do kill -0 $$; done' &
    echo "twin $!"
done
echo "both twins run"
wait
