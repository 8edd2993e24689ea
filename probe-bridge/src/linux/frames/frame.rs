//! A stack frame before an instruction of a function, and what becomes of it.

use super::code::{Access, Effect, FRAME, LINK};

/// The first register that a function has to keep (AAPCS64, "General-purpose registers").
const FIRST_KEPT: u8 = 19;
/// How many there are, X29 and X30 among them.
const KEPT: usize = 12;

/// A function's frame. Distances are from the frame's end, which is where SP was at the function's begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Frame {
    /// How far below the end SP is.
    stack: i32,
    /// How far below it X29 is, where it is the frame pointer of this function.
    pointer: Option<i32>,
    /// How far below it each register that the function has to keep is saved.
    saved: [Option<i32>; KEPT],
    /// Whether X30, or what is saved of it, is signed.
    pub(super) signed: bool,
}

/// A register and a number of bytes above it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// SP.
    Stack(i32),
    /// X29.
    Pointer(i32),
}

impl Frame {
    /// At the begin of a function.
    pub(super) const NEW: Self = Self { stack: 0, pointer: None, saved: [None; KEPT], signed: false };

    /// Where the frame's end is.
    pub(super) const fn end(&self) -> End {
        match self.pointer {
            Some(distance) => End::Pointer(distance),
            None => End::Stack(self.stack),
        }
    }

    /// The registers that a function has to keep, and how far below the frame's end each is saved.
    pub(super) fn kept(&self) -> impl Iterator<Item = (u8, Option<i32>)> {
        (FIRST_KEPT..).zip(self.saved)
    }

    /// Whether this is more than what a function begins with.
    pub(super) fn is_built(&self) -> bool {
        self.saved(LINK).is_some()
    }

    fn saved(&self, register: u8) -> Option<i32> {
        let index = register.checked_sub(FIRST_KEPT)?;
        *self.saved.get(usize::from(index))?
    }

    fn slot(&mut self, register: u8) -> Option<&mut Option<i32>> {
        self.saved.get_mut(usize::from(register.checked_sub(FIRST_KEPT)?))
    }

    /// The frame behind an instruction.
    pub(super) fn behind(mut self, effect: Effect) -> Self {
        match effect {
            Effect::Nothing => {}
            Effect::Move(bytes) => self.stack = self.stack.saturating_sub(bytes),
            Effect::StackOfFrame(bytes) => {
                self.stack = self.pointer.map_or(self.stack, |pointer| pointer.saturating_sub(bytes));
            }
            // What a function takes of the stack while it runs, it gives back by its frame pointer. Without one
            // this is a change of stacks, and the other stack has been left by the same code.
            Effect::Elsewhere => {}
            Effect::FrameOfStack(bytes) => self.pointer = Some(self.stack.saturating_sub(bytes)),
            Effect::NoFrame => self.pointer = None,
            Effect::Access(access) => self.access(access),
            Effect::Sign => self.signed = true,
            Effect::Authenticate => self.signed = false,
        }
        self
    }

    fn access(&mut self, Access { load, registers, at, moves }: Access) {
        let distances = [0, 8].map(|next| self.stack.saturating_sub(at).saturating_sub(next));
        for (register, distance) in registers.into_iter().zip(distances) {
            let Some(register) = register else { continue };
            if load && register == FRAME {
                self.pointer = None;
            }
            let Some(slot) = self.slot(register) else { continue };
            match (load, *slot) {
                (true, _) => *slot = None,
                // A later store is of another value.
                (false, Some(_)) => {}
                (false, None) => *slot = (distance > 0).then_some(distance),
            }
        }
        self.stack = self.stack.saturating_sub(moves);
    }
}
