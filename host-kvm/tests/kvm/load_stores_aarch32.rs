//! Which bytes loads and stores of A32 and T32 access, by the core's reading of their encodings, against real debug
//! hardware.

use crate::aarch32::{Code, EC_BKPT, EC_WATCHPOINT, bkpts, stop};
use crate::common::random::Random;
use crate::common::{CODE, DATA, id, pc};
use trapline_core::address::AddressRange;
use trapline_core::breakpoint::Instruction;
use trapline_core::load_store::Direction;
use trapline_core::load_store::aarch32::{Base, LoadStore, Offset, executes};
use trapline_core::pool::{Owner, Slots, WatchpointPool};
use trapline_core::registers::Cpsr;
use trapline_core::scope::Scope;
use trapline_core::target::{Register, Resume};
use trapline_core::watchpoint::{Access, Watchpoint};

/// Forms of access, as bits that stand and bits that may be any, as the manual prints them. The base is R3, an index R5,
/// what is loaded goes to R6 to R12 or to D8 and on.
const A32: [(u32, u32); 13] = [
    (0xe503_8000, 0x00f0_001f), // LDR, LDRB, STR, STRB, with an offset
    (0xe403_8000, 0x00d0_001f), // with the offset behind
    (0xe703_8005, 0x00f0_00e0), // with an index, shifted
    (0xe143_8090, 0x00b0_016f), // halfwords, signed bytes, doublewords
    (0xe103_8095, 0x00b0_0060), // with an index
    (0xe193_8c9f, 0x0060_0300), // exclusives and with acquire, loads
    (0xe183_fc98, 0x0060_0000), // with release, stores
    (0xe803_0100, 0x01b0_1ec0), // LDM and STM
    (0xed03_8a00, 0x0090_0107), // VLDR, VSTR
    (0xec83_8a00, 0x0030_0107), // VLDM, VSTM, up
    (0xed23_8a00, 0x0010_0107), // and down
    (0xf403_800f, 0x0020_0ff0), // VLD1 to VLD4, VST1 to VST4
    (0xf483_800f, 0x0020_0ff0), // of one lane, or to all
];
const T32: [(u32, u32); 16] = [
    (0xf883_8000, 0x0170_001f), // one register, with an offset
    (0xf803_8800, 0x0170_071f), // with a shorter one, in all ways
    (0xf803_8005, 0x0170_0030), // with an index
    (0xe943_8900, 0x00b0_0007), // doublewords
    (0xe863_8900, 0x0090_0007), // with the offset behind
    (0xe8d3_8f4f, 0x0000_0010), // exclusives, loads
    (0xe8d3_897f, 0x0000_0080), // of doublewords, with acquire as well
    (0xe8d3_8f8f, 0x0000_0030), // with acquire
    (0xe8c3_8f8f, 0x0000_0030), // with release, stores
    (0xe883_0100, 0x0030_1ec0), // LDM and STM, up
    (0xe903_0100, 0x0030_1ec0), // and down
    (0xed03_8a00, 0x0090_0107), // VLDR, VSTR
    (0xec83_8a00, 0x0030_0107), // VLDM, VSTM, up
    (0xed23_8a00, 0x0010_0107), // and down
    (0xf903_800f, 0x0020_0ff0), // VLD1 to VLD4, VST1 to VST4
    (0xf983_800f, 0x0020_0ff0), // of one lane, or to all
];
/// Those of 16 bits, into R4, or of R4, R6 and R7.
const T16: [(u32, u32); 4] = [
    (0x515c, 0x0e00), // with an index
    (0x601c, 0x19c0), // words and bytes, with an offset
    (0x801c, 0x09c0), // halfwords
    (0xc310, 0x08c0), // LDM and STM
];

/// How many of each form are tried.
const EACH: u64 = 6;
/// What the base is near to, aligned for everything there is.
const BASE: u32 = DATA as u32 + 0x1040;
/// Supervisor mode with interrupts masked, the state of a vCPU that has been reset.
const RESET: u64 = 0x1d3;

/// The vectors.
const VECTORS: u64 = CODE + 0x1000;

/// An instruction with the registers that it is executed with, and what it accesses.
struct Case {
    bits: u32,
    set: Instruction,
    base: u32,
    index: u32,
    decoded: LoadStore,
    bytes: AddressRange,
}

impl Case {
    /// A known instruction of a form, with a base such that the access is aligned.
    fn of(random: &mut Random, (fixed, any): (u32, u32), set: Instruction) -> Self {
        loop {
            let bits = fixed | random.next() as u32 & any;
            let in_memory = if set == Instruction::T32 { bits.rotate_left(16 * (bits >> 31)) } else { bits };
            let Some(decoded) = LoadStore::decode(in_memory, set) else { continue };
            assert_eq!(decoded.base(), Base::Register(3), "{bits:#x}");
            assert!(matches!(decoded.offset(), Offset::Immediate(_) | Offset::Register { number: 5, .. }));
            let index = 4 * (random.next() as u32 % 8);
            let accessed = |base| decoded.accessed(base, index, false).unwrap();
            let alignment = 1 << u32::from(decoded.length()).trailing_zeros();
            let base = BASE - (accessed(BASE).first() % alignment) as u32;
            return Self { bits, set, base, index, decoded, bytes: accessed(base) };
        }
    }

    /// The program that executes it; also its address.
    fn program(&self) -> (Code, u64) {
        let mut code = Code::default();
        // VBAR: any other exception ends at a BKPT as well, at another address.
        code.load(0, VECTORS as u32);
        code.a32(0xee0c_0f10);
        // CPACR, ISB, FPEXC: floating point is on.
        for word in [0xee11_0f50, 0xe380_060f, 0xee01_0f50, 0xf57f_f06f, 0xe3a0_0101, 0xeee8_0a10] {
            code.a32(word);
        }
        code.load(3, self.base);
        code.load(5, self.index);
        let at = match self.set {
            Instruction::T32 => {
                code.enter_t32(0);
                let at = code.here();
                if self.bits > 0xffff {
                    code.t32((self.bits >> 16) as u16);
                }
                code.t32(self.bits as u16);
                code.t32(0xbe00);
                at
            }
            _ => {
                let at = code.a32(self.bits);
                code.bkpt(0);
                at
            }
        };
        (code, at)
    }
}

#[test]
fn every_form_of_load_and_store_of_aarch32_accesses_what_its_encoding_says() {
    let Some(mut machine) = Code::default_machine() else { return };
    let vectors: Vec<u8> = [0xe120_0070_u32; 8].iter().flat_map(|bkpt| bkpt.to_le_bytes()).collect();
    machine.load_flat(VECTORS, &vectors).unwrap();
    let mut random = Random(3);
    let capabilities = crate::common::accesses::capabilities();
    let forms = A32.map(|form| (form, Instruction::A32)).into_iter();
    let forms = forms.chain(T32.into_iter().chain(T16).map(|form| (form, Instruction::T32)));
    for (form, set) in forms.flat_map(|form| [form; EACH as usize]) {
        let case = Case::of(&mut random, form, set);
        let (code, at) = case.program();
        machine.load_flat(CODE, &code.0).unwrap();
        let vcpu = &mut machine.vcpus_mut()[0];
        for watched in [case.bytes.first() - 1, case.bytes.first(), case.bytes.last(), case.bytes.last() + 1]
        {
            let mut pool: WatchpointPool = WatchpointPool::new(&capabilities);
            let range = AddressRange::byte(watched);
            let watch = Watchpoint::new(range, Access::ReadWrite, Scope::EL1_AND_EL0);
            pool.reserve(watch, Owner::DEBUGGER).unwrap();
            let mut arming = bkpts();
            pool.arm(&mut arming.bank.watchpoints, Slots::NONE);
            vcpu.arm(&arming);
            vcpu.write(id(Register::Pstate), RESET).unwrap();
            vcpu.write(id(Register::Pc), CODE).unwrap();
            let (class, syndrome) = stop(vcpu, Resume::Run);
            let what = format!("{:#x} of {set:?} with {:#x} and {:#x}", case.bits, case.base, case.index);
            if case.bytes.contains(watched) {
                let is_write = syndrome & 1 << 6 != 0;
                assert_eq!((class, pc(vcpu)), (EC_WATCHPOINT, at), "{what}: {watched:#x} of {}", case.bytes);
                assert_eq!(is_write, case.decoded.direction() == Direction::Store, "{what}");
            } else {
                assert_eq!(class, EC_BKPT, "{what}: {watched:#x} is not of {}", case.bytes);
                assert!(pc(vcpu) < VECTORS, "{what} ended in another exception");
            }
        }
    }
}

#[test]
fn a_store_whose_condition_fails_accesses_nothing() {
    let Some(mut machine) = Code::default_machine() else { return };
    // CMP R3, R3: Z and C are set. Then STR R3, [R3] in A32, and in T32 in a block IT<cond>.
    for condition in 0..14 {
        for set in [Instruction::A32, Instruction::T32] {
            let mut code = Code::default();
            code.load(3, BASE);
            if set == Instruction::T32 {
                code.enter_t32(0);
                code.t32(0x429b);
                code.t32((0xbf08 | condition << 4) as u16);
                code.t32(0x601b);
                code.t32(0xbe00);
            } else {
                code.a32(0xe153_0003);
                code.a32(condition << 28 | 0x0583_3000);
                code.bkpt(0);
            }
            machine.load_flat(CODE, &code.0).unwrap();
            let vcpu = &mut machine.vcpus_mut()[0];
            let mut arming = bkpts();
            arming.bank.watchpoints[0] =
                crate::common::watchpoint(u64::from(BASE), 0b1111, crate::common::STORES);
            vcpu.arm(&arming);
            vcpu.write(id(Register::Pstate), RESET).unwrap();
            vcpu.write(id(Register::Pc), CODE).unwrap();
            let trapped = stop(vcpu, Resume::Run).0 == EC_WATCHPOINT;
            let flags = Cpsr::default().with_z(true).with_c(true);
            let (word, state) = match set {
                Instruction::T32 => (0x601b, flags.with_t(true).with_it((condition << 4) as u8 | 0b1000)),
                _ => (condition << 28 | 0x0583_3000, flags),
            };
            assert_eq!(trapped, executes(word, set, state), "condition {condition:#x} of {set:?}");
        }
    }
}
