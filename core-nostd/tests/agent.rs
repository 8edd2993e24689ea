//! Agent expressions: what is let through has a value, and the right one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use trapline_core::agent::{BytecodeError, Environment, EvaluationError, MAX_LENGTH, check, evaluate};

const ADD: u8 = 0x02;
const DIV_SIGNED: u8 = 0x05;
const LSH: u8 = 0x09;
const RSH_SIGNED: u8 = 0x0a;
const RSH_UNSIGNED: u8 = 0x0b;
const LOG_NOT: u8 = 0x0e;
const EQUAL: u8 = 0x13;
const LESS_SIGNED: u8 = 0x14;
const EXT: u8 = 0x16;
const REF32: u8 = 0x19;
const IF_GOTO: u8 = 0x20;
const GOTO: u8 = 0x21;
const CONST8: u8 = 0x22;
const CONST16: u8 = 0x23;
const REG: u8 = 0x26;
const END: u8 = 0x27;
const DUP: u8 = 0x28;
const POP: u8 = 0x29;
const SWAP: u8 = 0x2b;
const PICK: u8 = 0x32;
const ROT: u8 = 0x33;
const PRINTF: u8 = 0x34;

/// Registers hold a hundred times their number; memory holds the low byte of each address.
#[derive(Default)]
struct Core {
    printed: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct NoMemory;

impl Environment for Core {
    type Error = NoMemory;

    fn register(&mut self, number: u16) -> Result<u64, NoMemory> {
        Ok(u64::from(number) * 100)
    }

    fn read(&mut self, address: u64, buffer: &mut [u8]) -> Result<(), NoMemory> {
        if address < 0x1000 {
            return Err(NoMemory);
        }
        for (offset, byte) in (0..).zip(buffer) {
            *byte = address.wrapping_add(offset) as u8;
        }
        Ok(())
    }

    fn print(&mut self, text: &str) {
        self.printed.push_str(text);
    }
}

fn value(code: &[u8]) -> Result<u64, EvaluationError<NoMemory>> {
    check(code).unwrap();
    evaluate(code, &mut Core::default())
}

#[test]
fn arithmetic_is_that_of_64_bits() {
    assert_eq!(value(&[CONST8, 40, CONST8, 2, ADD, END]), Ok(42));
    assert_eq!(value(&[CONST8, 0xff, EXT, 8, END]), Ok(u64::MAX));
    assert_eq!(value(&[CONST8, 0xf9, EXT, 8, CONST8, 2, DIV_SIGNED, END]), Ok((-3_i64) as u64));
    assert_eq!(value(&[CONST8, 1, CONST8, 64, LSH, END]), Ok(0));
    assert_eq!(value(&[CONST8, 0x80, EXT, 8, CONST8, 200, RSH_SIGNED, END]), Ok(u64::MAX));
    assert_eq!(value(&[CONST8, 0x80, EXT, 8, CONST8, 60, RSH_UNSIGNED, END]), Ok(15));
    assert_eq!(value(&[CONST8, 0xff, EXT, 8, CONST8, 0, LESS_SIGNED, END]), Ok(1));
    assert_eq!(value(&[CONST8, 7, CONST8, 0, DIV_SIGNED, END]), Err(EvaluationError::DivisionByZero));
    let least = [CONST8, 1, CONST8, 63, LSH, CONST8, 0xff, EXT, 8, DIV_SIGNED, END];
    assert_eq!(value(&least), Ok(1 << 63));
}

#[test]
fn the_stack_moves_as_the_manual_says() {
    let abc = [CONST8, 1, CONST8, 2, CONST8, 3];
    let with = |rest: &[u8]| value(&[&abc, rest].concat());
    assert_eq!(with(&[SWAP, END]), Ok(2));
    assert_eq!(with(&[ROT, END]), Ok(2));
    assert_eq!(with(&[ROT, POP, END]), Ok(1));
    assert_eq!(with(&[ROT, POP, POP, END]), Ok(3));
    assert_eq!(with(&[PICK, 2, END]), Ok(1));
    assert_eq!(with(&[DUP, ADD, END]), Ok(6));
    assert_eq!(value(&[END]), Ok(0));
}

#[test]
fn registers_and_memory_are_the_targets() {
    assert_eq!(value(&[REG, 0, 33, END]), Ok(3300));
    assert_eq!(value(&[CONST16, 0x10, 0x04, REF32, END]), Ok(0x0706_0504));
    assert_eq!(value(&[CONST8, 0, REF32, END]), Err(EvaluationError::Environment(NoMemory)));
}

/// What gdb makes of `$x1 == 100 && $x2 > 3`.
#[test]
fn a_condition_of_two_parts_jumps_over_the_second_when_the_first_is_false() {
    let code = |first: u8| {
        [
            REG,
            0,
            1,
            CONST8,
            first,
            EQUAL,
            IF_GOTO,
            0,
            12,
            GOTO,
            0,
            26, // 12:
            CONST8,
            3,
            REG,
            0,
            2,
            LESS_SIGNED,
            LOG_NOT,
            LOG_NOT,
            IF_GOTO,
            0,
            29,
            GOTO,
            0,
            26, // 26:
            CONST8,
            0,
            END, // 29:
            CONST8,
            1,
            END,
        ]
    };
    assert_eq!(value(&code(100)), Ok(1));
    assert_eq!(value(&code(101)), Ok(0));
}

fn printf(format: &str, arguments: &[u64]) -> Result<String, BytecodeError> {
    let mut code = Vec::new();
    for argument in arguments.iter().rev().copied().chain([0, 0]) {
        code.push(0x25);
        code.extend(argument.to_be_bytes());
    }
    code.extend([PRINTF, arguments.len() as u8]);
    code.extend((format.len() as u16 + 1).to_be_bytes());
    code.extend(format.as_bytes());
    code.extend([0, END]);
    check(&code)?;
    let mut core = Core::default();
    assert_eq!(evaluate(&code, &mut core), Ok(0));
    Ok(core.printed)
}

#[test]
fn printf_prints_as_c_does() {
    for (format, arguments, expected) in [
        (r"tick %d at %#lx\n", &[7, 0xffff_8000_0000_1234][..], "tick 7 at 0xffff800000001234\n"),
        ("%d %u %ld", &[u64::MAX, u64::MAX, u64::MAX], "-1 4294967295 -1"),
        ("%5d|%-5d|%05d|%+d|% d", &[42, 42, 0u64.wrapping_sub(42), 42, 42], "   42|42   |-0042|+42| 42"),
        ("%.4x|%8.3X|%#o|%hhx", &[0xab, 0xab, 8, 0x1ff], "00ab|     0AB|010|ff"),
        ("%c%c%%%p", &[b'o'.into(), b'k'.into(), 0x4000], "ok%0x4000"),
        (r"\101\t\\\e[m", &[], "A\t\\\x1b[m"),
        ("%.3s|%-4.2s|", &[0x2061, 0x2061], "abc|ab  |"),
        ("%d", &[1 << 31], "-2147483648"),
        ("%lld", &[1 << 63], "-9223372036854775808"),
    ] {
        assert_eq!(printf(format, arguments).as_deref(), Ok(expected), "{format}");
    }
}

#[test]
fn a_format_that_does_not_fit_is_refused() {
    for (format, arguments) in [
        ("%d", &[][..]),
        ("none", &[1]),
        ("%f", &[1]),
        ("%*d", &[1, 2]),
        ("%", &[]),
        (r"\x", &[]),
        ("%999d", &[1]),
    ] {
        assert!(matches!(printf(format, arguments), Err(BytecodeError::Format { .. })), "{format}");
    }
}

#[test]
fn what_could_not_be_evaluated_is_refused() {
    for (code, error) in [
        (&[][..], BytecodeError::CutOff { offset: 0 }),
        (&[CONST8, 1], BytecodeError::CutOff { offset: 2 }),
        (&[CONST16, 1], BytecodeError::CutOff { offset: 0 }),
        (&[0x0c, END], BytecodeError::Unsupported { offset: 0, opcode: 0x0c }),
        (&[0x00, END], BytecodeError::Unsupported { offset: 0, opcode: 0 }),
        (&[CONST8, 1, EXT, 0, END], BytecodeError::Unsupported { offset: 2, opcode: EXT }),
        (&[CONST8, 1, EXT, 65, END], BytecodeError::Unsupported { offset: 2, opcode: EXT }),
        (&[ADD, END], BytecodeError::Underflow { offset: 0 }),
        (&[CONST8, 1, PICK, 1, END], BytecodeError::Underflow { offset: 2 }),
        (&[GOTO, 0, 0, END], BytecodeError::Jump { offset: 0, target: 0 }),
        (&[GOTO, 0, 4, CONST8, 1, END], BytecodeError::Jump { offset: 3, target: 4 }),
        (&[GOTO, 0, 200, END], BytecodeError::Jump { offset: 0, target: 200 }),
        // Offset 7 is the `end`, reached with and without the constant.
        (&[CONST8, 1, IF_GOTO, 0, 7, CONST8, 1, END], BytecodeError::Uneven { offset: 7 }),
        (&[CONST8, 1, CONST8, 1, IF_GOTO, 0, 9, CONST8, 1, END], BytecodeError::Uneven { offset: 9 }),
    ] {
        assert_eq!(check(code), Err(error), "{code:?}");
    }
    let deep: Vec<u8> = [CONST8, 1].repeat(33).into_iter().chain([END]).collect();
    assert_eq!(check(&deep), Err(BytecodeError::Overflow { offset: 64 }));
    let long = vec![END; MAX_LENGTH + 1];
    assert_eq!(check(&long), Err(BytecodeError::TooLong { length: MAX_LENGTH + 1 }));
}

/// Found by fuzzing: the check took the place of its own operand for one that comes later.
#[test]
fn a_jump_into_its_own_operand_is_refused() {
    for target in 1..3 {
        let code = [GOTO, 0, target, END];
        assert_eq!(check(&code), Err(BytecodeError::Jump { offset: 0, target: target.into() }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 64 } else { 4_000 }))]

    /// Whatever is let through ends, and fails by the target or a division alone.
    #[test]
    fn what_is_let_through_is_never_malformed(
        code in prop::collection::vec(prop_oneof![0x02_u8..0x36, Just(0), Just(1), Just(END), any::<u8>()], 0..64)
    ) {
        if check(&code).is_ok() {
            let result = evaluate(&code, &mut Core::default());
            prop_assert!(result != Err(EvaluationError::Malformed), "{code:?}");
        }
        // Unchecked code ends as well, though not soon enough for Miri.
        if !cfg!(miri) {
            let _ = evaluate(&code, &mut Core::default());
        }
    }
}
