//! Instructions, each with what it must do. The encodings are an assembler's.

use super::*;
use crate::armv8a::state::Pstate;
use crate::machine::RAM_BASE;

/// A core with its debug unit and a machine.
struct Bench {
    state: State,
    external: External,
    machine: Machine,
}

impl Bench {
    fn new() -> Self {
        let mut state = State::new(0, RAM_BASE);
        for (number, x) in (0..).zip(&mut state.x) {
            *x = 0x1_0000_0000 * number + number;
        }
        state.next_pc = state.pc + 4;
        Self { state, external: External::new(), machine: Machine::new(1 << 20, 1) }
    }

    fn run(&mut self, instruction: u32) -> Result<(), Trap> {
        execute(&mut self.state, &mut self.external, &mut self.machine, instruction)
    }
}

/// Runs an instruction with X1 and X2 set, and answers X0.
fn x0(instruction: u32, x1: u64, x2: u64) -> u64 {
    let mut bench = Bench::new();
    bench.state.x[1] = x1;
    bench.state.x[2] = x2;
    bench.run(instruction).unwrap();
    bench.state.x[0]
}

#[test]
fn arithmetic_and_logic() {
    let cases: &[(&str, u32, u64, u64, u64)] = &[
        ("add x0, x1, x2", 0x8b02_0020, 7, 8, 15),
        ("add w0, w1, w2", 0x0b02_0020, 0xffff_ffff, 2, 1),
        ("sub x0, x1, #1, lsl #12", 0xd140_0420, 0x2000, 0, 0x1000),
        ("add x0, x1, w2, sxtb #2", 0x8b22_8820, 100, 0xff, 96),
        ("neg x0, x2", 0xcb02_03e0, 0, 5, -5_i64 as u64),
        ("and x0, x1, #0xff00ff00ff00ff00", 0x9208_9c20, u64::MAX, 0, 0xff00_ff00_ff00_ff00),
        ("orr x0, x1, #0x7", 0xb240_0820, 0x10, 0, 0x17),
        ("eor w0, w1, #0x80000001", 0x5201_0420, 0, 0, 0x8000_0001),
        ("bic x0, x1, x2, lsl #4", 0x8a22_1020, 0xfff, 0xf, 0xf0f),
        ("orn w0, w1, w2", 0x2a22_0020, 0, 0xffff_0000, 0xffff),
        ("ubfx x0, x1, #4, #8", 0xd344_2c20, 0xabcd, 0, 0xbc),
        ("sbfx x0, x1, #4, #8", 0x9344_2c20, 0xabcd, 0, 0xffff_ffff_ffff_ffbc),
        ("lsl w0, w1, #3", 0x531d_7020, 0x2000_0001, 0, 8),
        ("asr x0, x1, #60", 0x937c_fc20, 0x8000_0000_0000_0000, 0, -8_i64 as u64),
        ("ror w0, w1, #8", 0x1381_2020, 0x1234_5678, 0, 0x7812_3456),
        ("extr x0, x1, x2, #8", 0x93c2_2020, 0x12, 0x3456, 0x1200_0000_0000_0034),
        ("mul x0, x1, x2", 0x9b02_7c20, 6, 7, 42),
        ("umulh x0, x1, x2", 0x9bc2_7c20, u64::MAX, 2, 1),
        ("smulh x0, x1, x2", 0x9b42_7c20, -1_i64 as u64, 2, u64::MAX),
        ("umull x0, w1, w2", 0x9ba2_7c20, 0xffff_ffff, 0xffff_ffff, 0xffff_fffe_0000_0001),
        ("smull x0, w1, w2", 0x9b22_7c20, 0xffff_ffff, 3, -3_i64 as u64),
        ("udiv x0, x1, x2", 0x9ac2_0820, 43, 6, 7),
        ("udiv x0, x1, x2 by zero", 0x9ac2_0820, 43, 0, 0),
        ("sdiv w0, w1, w2", 0x1ac2_0c20, 0xffff_ffd5, 6, 0xffff_fff9),
        ("lsl x0, x1, x2", 0x9ac2_2020, 1, 65, 2),
        ("asr w0, w1, w2", 0x1ac2_2820, 0x8000_0000, 4, 0xf800_0000),
        ("clz w0, w1", 0x5ac0_1020, 0x0000_8000, 0, 16),
        ("cls x0, x1", 0xdac0_1420, 0xff00_0000_0000_0000, 0, 7),
        ("rbit w0, w1", 0x5ac0_0020, 1, 0, 0x8000_0000),
        ("rev x0, x1", 0xdac0_0c20, 0x0102_0304_0506_0708, 0, 0x0807_0605_0403_0201),
        ("rev w0, w1", 0x5ac0_0820, 0x0102_0304, 0, 0x0403_0201),
        ("rev16 x0, x1", 0xdac0_0420, 0x0102_0304_0506_0708, 0, 0x0201_0403_0605_0807),
        ("movn x0, #1", 0x9280_0020, 0, 0, !1),
        ("adr x0, #8", 0x1000_0040, 0, 0, RAM_BASE + 8),
        ("adrp x0, #0x1000", 0xb000_0000, 0, 0, RAM_BASE + 0x1000),
    ];
    for &(text, instruction, x1, x2, expected) in cases {
        assert_eq!(x0(instruction, x1, x2), expected, "{text}");
    }
}

#[test]
fn insertions_keep_the_other_bits() {
    let mut bench = Bench::new();
    (bench.state.x[0], bench.state.x[1]) = (u64::MAX, 0);
    bench.run(0xb340_1c20).unwrap(); // bfxil x0, x1, #0, #8
    assert_eq!(bench.state.x[0], !0xff);
    bench.run(0xf2a0_2460).unwrap(); // movk x0, #0x123, lsl #16
    assert_eq!(bench.state.x[0], 0xffff_ffff_0123_ff00);
}

#[test]
fn flags_and_conditions() {
    let flags = |instruction, x1, x2| {
        let mut bench = Bench::new();
        (bench.state.x[1], bench.state.x[2]) = (x1, x2);
        bench.run(instruction).unwrap();
        bench.state.pstate.0 >> 28
    };
    let subs = 0xeb02_0020; // subs x0, x1, x2
    assert_eq!(flags(subs, 5, 5), 0b0110);
    assert_eq!(flags(subs, 4, 5), 0b1000);
    assert_eq!(flags(subs, 1 << 63, 1), 0b0011);
    assert_eq!(flags(0x2b02_0020, 0x7fff_ffff, 1), 0b1001); // adds w0, w1, w2
    assert_eq!(flags(0xea02_0020, 1 << 63, 1 << 63), 0b1000); // ands x0, x1, x2
    // ccmp x1, x2, #0b0100, ne: the condition holds, so the operands are compared.
    assert_eq!(flags(0xfa42_1024, 5, 6), 0b1000);
    // ccmp x1, x2, #0b0100, eq: it does not.
    assert_eq!(flags(0xfa42_0024, 5, 6), 0b0100);
    let holds = |nzcv: u32, condition| Pstate(nzcv << 28).holds(condition);
    assert!(holds(0b0100, 0) && !holds(0b0000, 0) && holds(0, 1));
    assert!(holds(0b0010, 8) && !holds(0b0110, 8), "hi");
    assert!(holds(0b1001, 10) && holds(0b1000, 11) && holds(0b0000, 12) && holds(0b0100, 13));
    assert!(holds(0, 14) && holds(0, 15));
    assert_eq!(x0(0x9a82_1020, 1, 2), 1, "csel x0, x1, x2, ne");
    assert_eq!(x0(0x9a82_0420, 1, 2), 3, "csinc x0, x1, x2, eq");
}

#[test]
fn branches_go_where_they_must() {
    let target = |instruction, set: fn(&mut State)| {
        let mut bench = Bench::new();
        set(&mut bench.state);
        bench.run(instruction).unwrap();
        bench.state.next_pc.wrapping_sub(RAM_BASE) as i64
    };
    assert_eq!(target(0x1400_0004, |_| ()), 16, "b");
    assert_eq!(target(0x17ff_ffff, |_| ()), -4, "b backwards");
    assert_eq!(target(0x5400_0040, |state| state.pstate = Pstate(1 << 30 | 5)), 8, "b.eq");
    assert_eq!(target(0x5400_0041, |state| state.pstate = Pstate(1 << 30 | 5)), 4, "b.ne");
    assert_eq!(target(0xb400_0041, |state| state.x[1] = 0), 8, "cbz");
    assert_eq!(target(0x3500_0041, |state| state.x[1] = 1 << 32), 4, "cbnz w");
    assert_eq!(target(0xb708_0041, |state| state.x[1] = 1 << 33), 8, "tbnz x1, #33");
    assert_eq!(target(0xd65f_03c0, |state| state.x[30] = RAM_BASE + 64), 64, "ret");
    let mut bench = Bench::new();
    bench.run(0x9400_0002).unwrap(); // bl
    assert_eq!((bench.state.next_pc, bench.state.x[30]), (RAM_BASE + 8, RAM_BASE + 4));
}

#[test]
fn loads_and_stores() {
    let mut bench = Bench::new();
    let address = RAM_BASE + 0x100;
    bench.state.x[1] = address;
    bench.state.x[0] = 0x8877_6655_4433_2291;
    bench.run(0xf900_0020).unwrap(); // str x0, [x1]
    let mut load = |instruction| {
        bench.state.x[1] = address;
        bench.run(instruction).unwrap();
        (bench.state.x[0], bench.state.x[1] - address)
    };
    assert_eq!(load(0xb940_0420), (0x8877_6655, 0), "ldr w0, [x1, #4]");
    assert_eq!(load(0xf940_0020), (0x8877_6655_4433_2291, 0), "ldr x0, [x1]");
    assert_eq!(load(0x3940_0020), (0x91, 0), "ldrb w0, [x1]");
    assert_eq!(load(0x39c0_0020), (0xffff_ff91, 0), "ldrsb w0, [x1]");
    assert_eq!(load(0x3980_0020), (0xffff_ffff_ffff_ff91, 0), "ldrsb x0, [x1]");
    assert_eq!(load(0xb880_4420), (0x4433_2291, 4), "ldrsw x0, [x1], #4");
    assert_eq!(load(0x7840_2c20), (0x4433, 2), "ldrh w0, [x1, #2]!");
    assert_eq!(load(0x7840_1020), (0x3322, 0), "ldurh w0, [x1, #1]");
    let mut bench = Bench::new();
    *bench.state.sp() = address + 0x20;
    bench.run(0xa9bf_0fe2).unwrap(); // stp x2, x3, [sp, #-16]!
    assert_eq!(bench.state.sp[1], address + 0x10);
    bench.run(0xa8c1_17e4).unwrap(); // ldp x4, x5, [sp], #16
    assert_eq!((bench.state.x[4], bench.state.x[5]), (0x2_0000_0002, 0x3_0000_0003));
    assert_eq!(bench.state.sp[1], address + 0x20);
}

#[test]
fn a_reservation_holds_until_somebody_else_stores() {
    let mut bench = Bench::new();
    bench.state.x[1] = RAM_BASE + 0x100;
    bench.run(0xc85f_7c20).unwrap(); // ldxr x0, [x1]
    bench.run(0xc803_7c22).unwrap(); // stxr w3, x2, [x1]
    assert_eq!(bench.state.x[3], 0);
    bench.run(0xc803_7c22).unwrap();
    assert_eq!(bench.state.x[3], 1, "the first store has used it up");
    bench.state.x[1] += 1;
    assert!(matches!(bench.run(0xc85f_7c20), Err(Trap::Exception(exception)) if exception.syndrome == 0x21));
}

#[test]
fn floating_point_and_vector_registers() {
    let mut bench = Bench::new();
    assert_eq!(bench.run(0x1e61_2800), Err(Trap::exception(Trap::FP_DISABLED, 0x1e << 20)));
    bench.state.system.set(crate::armv8a::system_registers::CPACR_EL1, 3 << 20);
    bench.run(0x1e6f_1000).unwrap(); // fmov d0, #1.5
    bench.run(0x1e60_9001).unwrap(); // fmov d1, #2.5
    bench.run(0x1e61_0802).unwrap(); // fmul d2, d0, d1
    assert_eq!(f64::from_bits(bench.state.v[2] as u64), 3.75);
    bench.run(0x1e61_2003).unwrap_err();
    bench.run(0x1e61_2000).unwrap(); // fcmp d0, d1
    assert_eq!(bench.state.pstate.0 >> 28, 0b1000);
    bench.state.x[1] = 0x1122_3344_5566_7788;
    bench.run(0x4e18_1c22).unwrap(); // mov v2.d[1], x1
    assert_eq!((bench.state.v[2] >> 64) as u64, 0x1122_3344_5566_7788);
    bench.run(0x4e18_3c40).unwrap(); // mov x0, v2.d[1]
    assert_eq!(bench.state.x[0], 0x1122_3344_5566_7788);
    bench.run(0x4e08_0c23).unwrap(); // dup v3.2d, x1
    assert_eq!(bench.state.v[3] as u64, 0x1122_3344_5566_7788);
    bench.run(0x4f00_e424).unwrap(); // movi v4.16b, #1
    assert_eq!(bench.state.v[4], u128::from_le_bytes([1; 16]));
}

#[test]
fn what_does_not_exist_is_undefined() {
    let mut bench = Bench::new();
    // udf; add with a shift amount of 33 for W; an atomic of FEAT_LSE; MSR SP_EL1 at EL1; a register that is not there.
    for instruction in [0x0000_0000, 0x0b02_8420, 0xf822_0020, 0xd51c_4100, 0xd53b_ff00] {
        assert_eq!(bench.run(instruction), Err(Trap::UNDEFINED), "{instruction:#x}");
    }
    bench.state.pstate = Pstate(0);
    assert_eq!(bench.run(0xd538_1000), Err(Trap::UNDEFINED), "mrs x0, sctlr_el1 at EL0");
}
