//! What goes wrong around a vCPU on a real KVM: it ends in typed errors, and the vCPU's state is kept.
#![expect(unsafe_code, reason = "guest memory is given to KVM by address")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::a64::{self, Program};
use crate::common::{CODE, DATA, Output, breakpoint, debugged, id, kvm, machine, machine_from, pc, x};
use kvm_bindings::{KVM_MP_STATE_RUNNABLE, kvm_mp_state, kvm_userspace_memory_region, kvm_vcpu_init};
use trapline_core::debugger::Action;
use trapline_core::stop::StopReason;
use trapline_core::target::{Arming, CoreId, Register, Resume};
use trapline_kvm::machine::MachineConfig;
use trapline_kvm::{Error, Exit, KvmVcpu, NoDevices, Notice, SystemEvent};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};
use vmm_sys_util::signal::{Killable, SIGRTMIN, register_signal_handler};

const CORE: CoreId = CoreId(0);
const LONG: Duration = Duration::from_secs(60);

/// How many signals have come.
static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn signals_of_somebody_elses_interrupt_a_vcpu_and_the_guest_does_not_notice() {
    const ROUNDS: u64 = 30_000_000;
    let mut program = Program::at(CODE);
    program.load(5, 0);
    program.load(6, ROUNDS);
    let again = program.add(a64::add(5, 5, 1));
    program.add(a64::sub(6, 6, 1));
    program.branch_if_not_zero(6, again);
    program.psci(a64::SYSTEM_OFF);
    // Kicks have the first real-time signal.
    let signal = SIGRTMIN() + 3;
    register_signal_handler(signal, count).unwrap();
    let mut machine = machine(&program);
    let runner = thread::spawn(move || {
        let vcpu = &mut machine.vcpus_mut()[0];
        let mut interrupted = 0;
        loop {
            match vcpu.run(Resume::Run, &NoDevices).unwrap() {
                Exit::Interrupted => interrupted += 1,
                exit => return (exit, x(vcpu, 5), interrupted),
            }
        }
    });
    while !runner.is_finished() {
        // It may have ended since.
        let _ = runner.kill(signal);
        thread::sleep(Duration::from_micros(200));
    }
    let (exit, counted, interrupted) = runner.join().unwrap();
    assert_eq!((exit, counted), (Exit::System(SystemEvent::Shutdown), ROUNDS));
    assert!(SIGNALS.load(Ordering::Relaxed) > 0 && interrupted > 0, "{interrupted}");
}

#[test]
fn a_guest_that_resets_itself_in_mid_step_is_put_right_and_runs_again() {
    // At first it counts a boot and resets itself, with interrupts open; then it switches itself off.
    let mut program = Program::at(CODE);
    program.load(0, DATA);
    program.add(a64::load(3, 1, 0));
    program.add(a64::add(2, 1, 1));
    program.add(a64::store(3, 2, 0));
    let second = CODE + 0x100;
    program.branch_if_not_zero(1, second);
    program.add(0xd503_42ff); // MSR DAIFClr, #2
    program.load(0, a64::SYSTEM_RESET.into());
    let call = program.add(a64::hvc(0));
    program.pad_to(second);
    program.psci(a64::SYSTEM_OFF);

    let config = MachineConfig { memory: 2 << 20, ..MachineConfig::default() };
    let (machine, notices) = debugged(machine_from(&config, &program, Output::default()));
    let debugger = || machine.handler().lock().unwrap();
    let last = loop {
        debugger().set_action(CORE, Action::Step).unwrap();
        debugger().resume().unwrap();
        match notices.recv_timeout(LONG).unwrap() {
            Notice::Stopped { .. } => assert!(debugger().stop().unwrap().pc <= call),
            other => break other,
        }
    };
    assert!(matches!(last, Notice::System { core: CORE, event: SystemEvent::Reset }), "{last:?}");

    let stop = debugger().interrupt().unwrap();
    assert_eq!((stop.reason, stop.pc), (StopReason::Interrupt, call + 4));
    let pstate = debugger().read_register(CORE, Register::Pstate).unwrap();
    assert_eq!(pstate >> 6 & 0xf, 0b1101, "the masks are the guest's, not the step's");

    // The reset is its VMM's to do: KVM has switched all vCPUs off.
    let on = kvm_mp_state { mp_state: KVM_MP_STATE_RUNNABLE };
    let switched_on = debugger().target().with_vcpu(CORE, |vcpu| vcpu.with_fd(|fd| fd.set_mp_state(on)));
    switched_on.unwrap().unwrap().unwrap();
    debugger().write_register(CORE, Register::Pc, CODE).unwrap();
    debugger().write_register(CORE, Register::Pstate, 0x3c5).unwrap();
    debugger().clear_actions();
    debugger().resume().unwrap();
    let last = notices.recv_timeout(LONG).unwrap();
    assert!(matches!(last, Notice::System { core: CORE, event: SystemEvent::Shutdown }), "{last:?}");
}

#[test]
fn a_run_that_fails_is_a_typed_error_and_the_registers_are_as_they_were() {
    let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(CODE), 0x1_0000)]).unwrap();
    let mut program = Program::at(CODE);
    program.load(1, 0x1234);
    let second_page = CODE + 0x8000;
    program.branch(second_page);
    memory.write_slice(&program.bytes(), GuestAddress(CODE)).unwrap();

    let kvm = kvm();
    let vm = kvm.create_vm().unwrap();
    let region = memory.iter().next().unwrap();
    // The second half is given to KVM as well, but is nowhere in this process.
    for (slot, offset, host) in [(0, 0, region.as_ptr() as u64), (1, 0x8000, 0x1000)] {
        let slot = kvm_userspace_memory_region {
            slot,
            flags: 0,
            guest_phys_addr: CODE + offset,
            memory_size: 0x8000,
            userspace_addr: host,
        };
        // SAFETY: the first range is that of `memory`, which outlives the vCPU. The other lies below
        // `vm.mmap_min_addr`, where no process of Linux has anything mapped, so a guest reaches nothing in it.
        unsafe { vm.set_user_memory_region(slot).unwrap() };
    }
    let fd = vm.create_vcpu(0).unwrap();
    let mut init = kvm_vcpu_init::default();
    vm.get_preferred_target(&mut init).unwrap();
    fd.vcpu_init(&init).unwrap();

    let mut vcpu = KvmVcpu::new(fd);
    vcpu.write(id(Register::Pc), CODE).unwrap();
    for _ in 0..2 {
        match vcpu.run(Resume::Run, &NoDevices) {
            Err(Error::Ioctl { operation: "KVM_RUN", errno }) => assert_eq!(errno.errno(), libc::EFAULT),
            // KVM_EXIT_MEMORY_FAULT comes with EFAULT, and says where.
            Ok(Exit::MemoryFault { address, .. }) => assert_eq!(address, second_page),
            other => panic!("{other:?}"),
        }
        assert_eq!((pc(&mut vcpu), x(&mut vcpu, 1)), (second_page, 0x1234));
    }
}

/// Does something on a thread whose calls of one ioctl fail.
fn while_failing<T: Send>(ioctl: &str, work: impl FnOnce() -> T + Send) -> T {
    let filter = crate::common::failing::filter(ioctl).unwrap();
    let worker = move || {
        seccompiler::apply_filter(&filter).unwrap();
        work()
    };
    thread::scope(|scope| scope.spawn(worker).join().unwrap())
}

#[test]
fn an_ioctl_that_fails_in_the_middle_of_a_session_costs_nothing_but_itself() {
    let mut program = Program::at(CODE);
    program.load(5, 0);
    let counts = program.add(a64::add(5, 5, 1));
    program.branch(counts);
    let mut machine = machine(&program);
    let vcpu = &mut machine.vcpus_mut()[0];
    let mut arming = Arming::default();
    arming.bank.breakpoints[0] = breakpoint(counts);
    vcpu.arm(&arming);
    let hit = |vcpu: &mut KvmVcpu| {
        assert!(matches!(vcpu.run(Resume::Run, &NoDevices), Ok(Exit::Debug { .. })));
        (pc(vcpu), x(vcpu, 5))
    };
    assert_eq!(hit(vcpu), (counts, 0));
    // Past the breakpoint, which stays armed.
    let go_on = |vcpu: &mut KvmVcpu| {
        vcpu.arm(&Arming::default());
        vcpu.run(Resume::Step, &NoDevices).unwrap();
        vcpu.arm(&arming);
    };
    go_on(vcpu);

    // A register that has not been read since.
    let read = while_failing("KVM_GET_ONE_REG", || vcpu.read(id(Register::Pc)));
    assert!(matches!(read, Err(Error::ReadRegister { errno, .. }) if errno.errno() == libc::EIO), "{read:?}");
    assert_eq!(hit(vcpu), (counts, 1));

    vcpu.write(id(Register::X(5)), 40).unwrap();
    let run = while_failing("KVM_SET_ONE_REG", || vcpu.run(Resume::Run, &NoDevices));
    assert!(
        matches!(run, Err(Error::WriteRegister { value: 40, errno, .. }) if errno.errno() == libc::EIO),
        "{run:?}"
    );
    go_on(vcpu);
    assert_eq!(hit(vcpu), (counts, 41), "what was written is not lost");

    vcpu.arm(&Arming::default());
    let run = while_failing("KVM_SET_GUEST_DEBUG", || vcpu.run(Resume::Step, &NoDevices));
    assert!(matches!(run, Err(Error::Ioctl { errno, .. }) if errno.errno() == libc::ENOMEM), "{run:?}");
    assert!(run.unwrap_err().to_string().starts_with("KVM_SET_GUEST_DEBUG"));
    go_on(vcpu);
    let run = while_failing("KVM_RUN", || vcpu.run(Resume::Run, &NoDevices));
    assert!(matches!(run, Err(Error::Ioctl { operation: "KVM_RUN", .. })), "{run:?}");
    assert_eq!(hit(vcpu), (counts, 42), "the guest has not run");
}
