use super::code::{Access, Effect, Flow, effect, flow as goes};
use super::entry::{Kind, kind, on_other_stack, registers_are_saved};
use super::flow::frames;
use super::frame::End;
use super::*;

/// `stp x29, x30, [sp, #-32]!`, `mov x29, sp`, `ldp x29, x30, [sp], #32`, `ret`.
const PUSH: u32 = 0xa9be_7bfd;
const POINT: u32 = 0x9100_03fd;
const POP: u32 = 0xa8c2_7bfd;
const RETURN: u32 = 0xd65f_03c0;
const NOP: u32 = 0xd503_201f;
const SIGN: u32 = 0xd503_233f;
const AUTHENTICATE: u32 = 0xd503_23bf;

#[test]
fn what_touches_the_stack_is_known() {
    let access = |load, first, second, at, moves| {
        Effect::Access(Access { load, registers: [Some(first), second], at, moves })
    };
    for (word, expected) in [
        (PUSH, access(false, 29, Some(30), -32, -32)),
        (POP, access(true, 29, Some(30), 0, 32)),
        (0xa903_7bfd, access(false, 29, Some(30), 48, 0)), // stp x29, x30, [sp, #48]
        (0xf900_13f5, access(false, 21, None, 32, 0)),     // str x21, [sp, #32]
        (0xf81f_0ff3, access(false, 19, None, -16, -16)),  // str x19, [sp, #-16]!
        (0xf841_07f3, access(true, 19, None, 0, 16)),      // ldr x19, [sp], #16
        (0x6dbd_27e8, Effect::Move(-48)),                  // stp d8, d9, [sp, #-48]!
        (0xb900_0fe0, Effect::Nothing),                    // str w0, [sp, #12]
        (0xd102_03ff, Effect::Move(-128)),                 // sub sp, sp, #0x80
        (0x9140_07ff, Effect::Move(4096)),                 // add sp, sp, #1, lsl #12
        (POINT, Effect::FrameOfStack(0)),
        (0x9100_c3fd, Effect::FrameOfStack(48)),  // add x29, sp, #0x30
        (0x9100_03bf, Effect::StackOfFrame(0)),   // mov sp, x29
        (0xd100_83bf, Effect::StackOfFrame(-32)), // sub sp, x29, #0x20
        (0xcb20_63ff, Effect::Elsewhere),         // sub sp, sp, x0
        (0x9100_013f, Effect::Elsewhere),         // mov sp, x9
        (0xaa1f_03fd, Effect::NoFrame),           // mov x29, xzr
        (0xf940_00bd, Effect::NoFrame),           // ldr x29, [x5]
        (0xa900_07e0, Effect::Access(Access { load: false, registers: [Some(0), Some(1)], at: 0, moves: 0 })),
        (SIGN, Effect::Sign),
        (AUTHENTICATE, Effect::Authenticate),
        (0xaa00_03f3, Effect::Nothing), // mov x19, x0
    ] {
        assert_eq!(effect(word), expected, "{word:#x}");
    }
}

#[test]
fn where_an_instruction_goes_is_known() {
    for (word, expected) in [
        (0x1400_0004, Flow::Jump(4)),
        (0x17ff_ffff, Flow::Jump(-1)),
        (0x9400_0001, Flow::Call),
        (0xd63f_0260, Flow::Call), // blr x19
        (0xd421_0000, Flow::Call), // brk #0x800
        (0x5400_0040, Flow::Branch(2)),
        (0xb4ff_ffe0, Flow::Branch(-1)), // cbz x0, .-4
        (0x37b8_01b4, Flow::Branch(13)), // tbnz w20, #23, .+52
        (0xd61f_0200, Flow::End),        // br x16
        (RETURN, Flow::End),
        (0xd69f_03e0, Flow::End), // eret
        (0, Flow::End),
        (NOP, Flow::Next),
    ] {
        assert_eq!(goes(word), expected, "{word:#x}");
    }
}

#[test]
fn a_frame_is_followed_from_begin_to_end() {
    let keep = 0xa901_53f3; // stp x19, x20, [sp, #16]
    let give_back = 0xa941_53f3; // ldp x19, x20, [sp, #16]
    let code = [SIGN, PUSH, POINT, keep, NOP, give_back, POP, AUTHENTICATE, RETURN];
    let found = frames(&code);
    let ends: Vec<_> = found.iter().map(Frame::end).collect();
    let pointer = End::Pointer(32);
    let expected = [
        End::Stack(0),
        End::Stack(0),
        End::Stack(32),
        pointer,
        pointer,
        pointer,
        pointer,
        End::Stack(0),
        End::Stack(0),
    ];
    assert_eq!(ends, expected);
    let kept = |index: usize| -> Vec<_> {
        found[index].kept().filter_map(|(register, place)| Some((register, place?))).collect()
    };
    assert_eq!(kept(4), [(19, 16), (20, 8), (29, 32), (30, 24)]);
    assert_eq!(kept(6), [(29, 32), (30, 24)]);
    assert_eq!(kept(7), []);
    let signed: Vec<_> = found.iter().map(|frame| frame.signed).collect();
    assert_eq!(signed, [false, true, true, true, true, true, true, true, false]);
    assert_eq!(found[8], Frame::NEW);
}

#[test]
fn each_way_has_its_frame() {
    // A way out before the frame is built, one that calls what does not come back, and a table of addresses.
    let code = [
        0xb400_00c0, // 0: cbz x0, 6
        PUSH,
        POINT,
        0xb400_0080, // 3: cbz x0, 7
        POP,
        RETURN,
        RETURN,      // 6
        0x9400_0100, // 7: bl panic
        NOP,         // 8: reached by nothing
    ];
    let found = frames(&code);
    assert_eq!((found[5], found[6]), (Frame::NEW, Frame::NEW));
    assert_eq!(found[7].end(), End::Pointer(32));
    assert_eq!(found[8].end(), End::Pointer(32));
    let table = [PUSH, POINT, 0xd61f_0000, POP, RETURN];
    assert_eq!(frames(&table)[3].end(), End::Pointer(32));
    assert_eq!(frames(&[]), []);
}

#[test]
fn the_code_of_exceptions_is_known_by_name() {
    for (name, expected) in [
        ("el1h_64_irq", Kind::Exception),
        ("el1t_64_sync", Kind::Exception),
        ("el1_irq", Kind::Exception),
        ("ret_to_kernel", Kind::Exception),
        ("el0t_64_sync", Kind::First),
        ("el0t_32_error", Kind::First),
        ("el0_sync", Kind::First),
        ("ret_from_fork", Kind::First),
        ("call_on_irq_stack", Kind::OtherStack),
        ("el1h_64_irq_handler", Kind::Usual),
        ("el1_interrupt", Kind::Usual),
        ("handle_irq", Kind::Usual),
        ("el1_dbg_irq", Kind::Usual),
    ] {
        assert_eq!(kind(name), expected, "{name}");
    }
    let store = 0xa910_5ff6; // stp x22, x23, [sp, #256]
    let drop = 0x9105_43ff; // add sp, sp, #0x150
    assert_eq!(registers_are_saved(&[NOP, store, NOP, NOP]), 2..4);
    assert_eq!(registers_are_saved(&[NOP, NOP, drop, NOP]), 0..3);
    assert_eq!(registers_are_saved(&[]), 0..0);

    let (leave, back) = (0x9100_03f3, 0x9100_027f); // mov x19, sp; mov sp, x19
    assert_eq!(on_other_stack(&[store, leave, NOP, back, NOP], &(1..5)), 2..4);
    assert_eq!(on_other_stack(&[store, leave, NOP], &(1..3)), 2..3);
    assert_eq!(on_other_stack(&[store, NOP, NOP], &(1..3)), 3..3);
    assert_eq!(on_other_stack(&[leave, NOP], &(1..2)), 2..2);
}
