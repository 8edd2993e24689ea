//! What is known of a core after a step without having been read again is what stands in it: random instructions, with
//! every register known before, and every one read anew after it.

use std::time::Duration;

use crate::common::a64::Program;
use crate::common::accesses::ready;
use crate::common::random::Random;
use crate::common::{CODE, DATA, GuestDebugger, debugged, id};
use trapline_core::debugger::Action;
use trapline_core::stepping::Changes;
use trapline_core::target::{CoreId, Register, Registers as _, SystemRegister};
use trapline_kvm::register_cache::OneRegister as _;
use trapline_kvm::register_id::{CoreRegister, RegisterId};
use trapline_kvm::{KvmVcpu, Notice};

const CORE: CoreId = CoreId(0);
const LONG: Duration = Duration::from_secs(60);
/// Where the instructions are put, one after the other.
const HERE: u64 = CODE + 0x8000;
const VECTORS: u64 = CODE + 0x4000;
/// EL1 with SP_EL1. Interrupt masks and other bits are added.
const PSTATE: u64 = 0x5;
/// EL0, which may execute nothing here, so that it takes an exception.
const EL0: u64 = 0x0;

/// Classes of instructions, as bits that stand and bits that may be any, and how many of each are tried.
const CLASSES: [(u32, u32, u32); 9] = [
    (0x1000_0000, 0xe3ff_ffff, 150), // Data Processing -- Immediate
    (0x0a00_0000, 0xf1ff_ffff, 250), // Data Processing -- Register
    (0x0e00_0000, 0xf1ff_ffff, 100), // SIMD and floating point
    (0x0800_0000, 0xf5ff_ffff, 350), // Loads and Stores
    (0x3800_0000, 0xc7ff_ffff, 150), // those of one register
    (0x2800_0000, 0xc7ff_ffff, 100), // those of two
    (0x1400_0000, 0xe3ff_ffff, 60),  // branches, and little else
    (0xd61f_0000, 0x0060_03e0, 20),  // BR, BLR, RET
    (0xd53b_4000, 0x0000_0fff, 20),  // MRS of parts of PSTATE, and of what there is not
];

/// Everything that is known before a step: general registers, those of exceptions and translation, of floating point,
/// and V0 to V31.
type State = (Vec<u64>, Vec<u128>);

fn registers() -> impl Iterator<Item = Register> {
    let system = [
        SystemRegister::SP_EL0,
        SystemRegister::SP_EL1,
        SystemRegister::ELR_EL1,
        SystemRegister::SPSR_EL1,
        SystemRegister::SCTLR_EL1,
        SystemRegister::TTBR0_EL1,
        SystemRegister::VBAR_EL1,
        SystemRegister::MDSCR_EL1,
    ];
    let own = [Register::Pc, Register::Pstate, Register::Fpsr, Register::Fpcr];
    (0..31).map(Register::X).chain(own).chain(system.map(Register::System))
}

fn state(debugger: &mut GuestDebugger) -> State {
    let general = registers().map(|register| debugger.read_register(CORE, register).unwrap()).collect();
    let vectors = (0..32).map(|number| debugger.target_mut().read_vector(CORE, number).unwrap()).collect();
    (general, vectors)
}

/// The same of the vCPU, past all that is known of it.
fn what_stands_there(vcpu: &mut KvmVcpu) -> State {
    vcpu.write_back().unwrap();
    let general = registers().map(|register| {
        let (id, mut bytes) = (id(register), [0; 8]);
        vcpu.get(id, &mut bytes[..id.size().unwrap().bytes()]).unwrap();
        u64::from_ne_bytes(bytes)
    });
    let vectors = (0..32).map(|number| {
        let mut bytes = [0; 16];
        vcpu.get(RegisterId::core(CoreRegister::V(number)).unwrap(), &mut bytes).unwrap();
        u128::from_ne_bytes(bytes)
    });
    (general.collect(), vectors.collect())
}

/// Steps `word` in a random state of the core; how many ioctls it took to know everything afterwards.
fn step(
    (debugger, notices): (&std::sync::Mutex<GuestDebugger>, &std::sync::mpsc::Receiver<Notice>),
    random: &mut Random,
    word: u32,
    at: u64,
) -> u64 {
    let mut locked = debugger.lock().unwrap();
    locked.write_virtual(CORE, at, &word.to_le_bytes()).unwrap();
    // Addresses of data, and small indices.
    for number in 0..31 {
        let value = random.next() & 0xfff;
        let index = word & 0x3b20_0c00 == 0x3820_0800
            && u32::from(number) == word >> 16 & 0x1f
            && u32::from(number) != word >> 5 & 0x1f;
        locked.write_register(CORE, Register::X(number), if index { value } else { DATA | value }).unwrap();
    }
    for register in [SystemRegister::SP_EL0, SystemRegister::SP_EL1] {
        let value = DATA | random.next() & 0xff0;
        locked.write_register(CORE, Register::System(register), value).unwrap();
    }
    // NZCV and DAIF; now and then BTYPE, IL, and EL0.
    let mut pstate = PSTATE | random.next() & 0xf000_03c0;
    match random.next() % 16 {
        0 => pstate |= random.next() & 0xc00,
        1 => pstate |= 1 << 20,
        2 => pstate = pstate & !0xf | EL0,
        _ => {}
    }
    locked.write_register(CORE, Register::Pstate, pstate).unwrap();
    locked.write_register(CORE, Register::Pc, at).unwrap();
    let before = state(&mut locked);
    locked.clear_actions();
    locked.set_action(CORE, Action::Step).unwrap();
    locked.resume().unwrap();
    drop(locked);
    match notices.recv_timeout(LONG).unwrap() {
        Notice::Stopped { .. } => {}
        other => panic!("{word:#010x} at {at:#x}: {other:?}"),
    }
    let mut locked = debugger.lock().unwrap();
    let ioctls = locked.target().ioctls();
    let kept = state(&mut locked);
    let ioctls = locked.target().ioctls() - ioctls;
    let read = locked.target().with_vcpu(CORE, what_stands_there).unwrap();
    assert!(kept == read, "{word:#010x} at {at:#x}: {before:x?}\nkept {kept:x?}\nread {read:x?}");
    ioctls
}

#[test]
fn what_is_known_after_a_step_is_what_stands_in_the_core() {
    let mut program = Program::at(CODE);
    program.pad_to(DATA);
    let (machine, notices) = debugged(ready(&program));
    let vbar = Register::System(SystemRegister::VBAR_EL1);
    machine.handler().lock().unwrap().write_register(CORE, vbar, VECTORS).unwrap();
    let mut random = Random(3);
    let (mut steps, mut ioctls) = (0, 0);
    for (fixed, any, count) in CLASSES {
        for _ in 0..count {
            let mut word = fixed | random.next() as u32 & any;
            if word & 0x3b00_0000 == 0x1800_0000 {
                // A literal behind the instruction, where there is memory.
                word &= !(1 << 23);
            }
            if Changes::of(word).is_none() {
                continue;
            }
            // Now and then from the end of a block of 0x80 bytes, as vectors have them.
            let at = HERE + 4 * (random.next() % 0x400);
            ioctls += step((machine.handler(), &notices), &mut random, word, at);
            steps += 1;
        }
    }
    // Otherwise this would say nothing: a few of the 75 registers are read again for each.
    assert!(steps > 400 && ioctls < 20 * steps, "{ioctls} of {steps} steps");
    println!("{ioctls} reads after {steps} steps");
}
