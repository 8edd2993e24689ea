#!/bin/busybox sh
# PID 1 of the guest of `cargo xtask check-linux`.
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t tracefs trace /sys/kernel/tracing
# What stands on the kernel's command line without a meaning for it comes here.
exec /bin/guest-check $(/bin/busybox grep -o gates /proc/cmdline)
