//! Breakpoints and watchpoints: the `Z` and `z` packets.
//!
//! A packet is honoured exactly or answered with an error; the same packet twice is one breakpoint, and one
//! that is gone may be removed again.

use core::fmt::Write as _;

use heapless::Vec;

use crate::aarch32::BUILT_IN;
use crate::address::AddressRange;
use crate::breakpoint::{Breakpoint, Instruction};
use crate::debugger::{InsertError, Options, Request, Then};
use crate::pool::{Owner, PoolError};
use crate::registers::Pstate;
use crate::software::SoftwareError;
use crate::target::{Register, Target, TargetError};
use crate::watchpoint::{Access, Watchpoint};

use super::failure::{ErrorStyle, Failure, Handled};
use super::layout::Layout;
use super::packet::{Expressions, Point, PointKind};
use super::session::Exchange;

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Exchange<'_, '_, T, CORES, SOFTWARE, BYTECODE>
{
    pub(super) fn point(&mut self, insert: bool, point: &Point<'_>) -> Handled<(), T::Error> {
        let request = self.request(point)?;
        if insert {
            self.insert(request, point)?;
            self.note_paged(&request);
        } else {
            match self.debugger.remove(request, Owner::DEBUGGER) {
                Ok(())
                | Err(
                    InsertError::Pool(PoolError::NotReserved)
                    | InsertError::Software(SoftwareError::NotInserted { .. }),
                ) => {}
                Err(error) => return Err(error.into()),
            }
            self.note_paged(&request);
        }
        self.ok();
        Ok(())
    }

    /// Takes note of a watchpoint that is served by pages now, or is no more.
    fn note_paged(&mut self, request: &Request) {
        if let Request::Watchpoint(watchpoint) = request
            && self.debugger.has_page_watches()
        {
            let paged = self.debugger.is_paged(watchpoint, Owner::DEBUGGER);
            self.session.paged.note(watchpoint.range(), paged);
        }
    }

    /// Tells the client why, in the one way that a gdb without `error-message` shows, if only for `Z1`; and keeps
    /// it for `monitor why`.
    pub(super) fn refuse_point(&mut self, failure: Failure<T::Error>) -> Handled<(), T::Error> {
        self.session.refusal.clear();
        // A text that is too long is cut off.
        let _ = write!(self.session.refusal, "{failure}");
        if self.session.errors != ErrorStyle::Number {
            return Err(failure);
        }
        match failure.into_lost() {
            Some(error) => Err(TargetError::Lost(error).into()),
            None => {
                self.reply.truncate(0);
                self.reply.text("E.refused.");
                let _ = self.reply.plain_text().write_str(&self.session.refusal);
                Ok(())
            }
        }
    }

    /// Inserts a request with its conditions and commands.
    fn insert(&mut self, request: Request, point: &Point<'_>) -> Handled<(), T::Error> {
        let (mut conditions, mut commands) = (Vec::new(), Vec::new());
        let scratch = decode(point.conditions, self.reply.scratch(), &mut conditions)?;
        decode(point.commands, scratch, &mut commands)?;
        let options = Options {
            conditions: &conditions,
            commands: &commands,
            numbering: self.session.layout.numbering(),
            // A client that gives commands does not want to hear of the hit.
            then: if commands.is_empty() { Then::Stop } else { Then::Run },
            pages: self.session.paged.allowed,
            ..Options::default()
        };
        self.debugger.insert_with(self.session.selected, request, Owner::DEBUGGER, &options)?;
        Ok(())
    }

    fn request(&mut self, point: &Point<'_>) -> Handled<Request, T::Error> {
        let access = match point.kind {
            PointKind::Software => {
                let instruction = self.instruction(point.length)?;
                return Ok(Request::Software { address: point.address, instruction });
            }
            PointKind::Hardware => {
                let instruction = self.instruction(point.length)?;
                let scope = self.debugger.target().scope();
                return Ok(Request::Breakpoint(Breakpoint::at(point.address, instruction, scope)?));
            }
            PointKind::Write => Access::Write,
            PointKind::Read => Access::Read,
            PointKind::Access => Access::ReadWrite,
        };
        let range = AddressRange::new(point.address, point.length)?;
        Ok(Request::Watchpoint(Watchpoint::new(range, access, self.debugger.target().scope())))
    }

    /// The instruction set behind the `kind` of a breakpoint.
    ///
    /// gdb sends 4 for A64. For AArch32 code it sends 2 (T32), 3 (a 32-bit T32 instruction) or 4 (A32), and
    /// which of A64 and A32 a 4 means is known from the core's state. The M profile has T32 only.
    fn instruction(&mut self, kind: u64) -> Handled<Instruction, T::Error> {
        match kind {
            2 | 3 if BUILT_IN => Ok(Instruction::T32),
            4 if !matches!(self.session.layout.built_in(), Layout::M(_)) => {
                let core = self.session.selected;
                let pstate = Pstate::from(self.debugger.read_register(core, Register::Pstate)?);
                Ok(if pstate.is_aarch32() { Instruction::A32 } else { Instruction::A64 })
            }
            _ => Err(Failure::InstructionLength(kind)),
        }
    }
}

/// The most conditions, and the most commands, of one breakpoint.
const MAX_EXPRESSIONS: usize = 16;

/// Adds expressions as bytes, put at the start of `room`; the rest of it is left.
fn decode<'s, E>(
    expressions: Expressions<'_>,
    mut room: &'s mut [u8],
    decoded: &mut Vec<&'s [u8], MAX_EXPRESSIONS>,
) -> Handled<&'s mut [u8], E> {
    for hex in expressions.iter() {
        let (place, rest) = room.split_at_mut_checked(hex.len()).ok_or(Failure::Oversized)?;
        let code = hex.decode(place).ok_or(Failure::Oversized)?;
        decoded.push(code).map_err(|_| Failure::Unsupported("a breakpoint has at most 16 conditions"))?;
        room = rest;
    }
    Ok(room)
}
