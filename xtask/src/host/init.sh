#!/bin/busybox sh
# PID 1 of the emulated host: opens the ports to the machine outside, runs one program, says how it ended.

/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mkdir /dev/pts
/bin/busybox mount -t devpts pts /dev/pts
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox --install -s /bin

# Of this run: end (the marker), error_port, last_port, network, and the functions streams and program.
. /trapline/run

for module in /trapline/modules/console/*.ko; do
    insmod "$module"
done
# The driver adds the ports one after the other, in its own time.
# A file is there a moment before its port can be opened.
until
    port=$(echo /dev/vport*p1)
    port=${port%1}
    [ -c "$port$last_port" ] && (: >"$port$last_port") 2>/dev/null
do
    usleep 1000
done
exec 3<>"${port}1" 5<>"${port}2" 6>"${port}3" 7>&6
[ "$error_port" = 3 ] || exec 7>"$port$error_port"

if ! [ -c /dev/kvm ]; then
    dmesg | grep -i -e kvm -e 'CPU: All CPU'
    echo no-kvm >&3
    exec sleep 3600
fi

# The kernel patches itself for the first virtual machine. One is made while there is one processor only, and held: why
# is told where that program is, vm_holder.rs.
/trapline/vm-holder 3>&- 5>&- 6>&- 7>&- &
until ls -l /proc/$!/fd 2>/dev/null | grep -q kvm-vm; do
    [ -e /proc/$!/exe ] || break
    usleep 1000
done
for processor in /sys/devices/system/cpu/cpu*/online; do
    [ "$(cat "$processor")" = 1 ] || echo 1 >"$processor"
done

# The kernel notes where a program was when a signal of its own doing ended it.
echo 1 >/proc/sys/debug/exception-trace

ifconfig lo 127.0.0.1
if [ "$network" ]; then
    for module in /trapline/modules/network/*.ko; do
        insmod "$module"
    done
    ifconfig eth0 10.0.2.15
fi

# Writing waits until the port is connected. Reading does not: it would take that for the end of input.
echo >&5
echo up >&3
streams link
(program) <&5 >&6 2>&7 3>&- 5>&- 6>&- 7>&-
status=$?
case $status in
    132 | 135 | 136 | 139) dmesg | tail -n 25 >&7 ;;
esac

streams close
printf %s "$end" >&6
[ "$error_port" = 3 ] || printf %s "$end" >&7
echo "exit $status" >&3
# The machine is switched off from outside, once all output has arrived there.
exec sleep 3600
