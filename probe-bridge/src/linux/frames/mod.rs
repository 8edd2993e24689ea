//! Where each function of a kernel keeps its caller's registers (DWARF 5, "Call Frame Information"): what a backtrace
//! goes by.
//!
//! A kernel image has none of this, so its code is read: what each function does to its stack before each of its
//! instructions. What the kernel enters its exceptions with is known by name, and goes on in the code that was
//! interrupted; what comes from a process, and the first code of a thread, has nobody before it.

mod code;
mod entry;
mod flow;
mod frame;
#[cfg(test)]
mod tests;

use gimli::write::{
    Address, CallFrameInstruction as Rule, CommonInformationEntry, DebugFrame, EndianVec, Expression,
    FrameDescriptionEntry, FrameTable,
};
use gimli::{AArch64, Encoding, Format, LittleEndian, Register, constants};

use self::code::{Flow, LINK};
use self::entry::Kind;
use self::frame::{End, Frame};
use super::bytes::u32_at;
use super::dwarf::DwarfError;
use super::elf::DebugSection;
use super::image::KernelImage;
use super::symbols::{Symbol, SymbolKind, SymbolTable};

/// The version of call frame information that DWARF 5 has.
const ENCODING: Encoding = Encoding { format: Format::Dwarf32, version: 4, address_size: 8 };
/// Code and stack are counted in words of so many bytes.
const CODE_FACTOR: u8 = 4;
const DATA_FACTOR: i8 = -8;
/// The last register that no function keeps.
const LAST_SCRATCH: u16 = 18;

/// Makes the section for all functions of a kernel that is `offset` higher than it was linked.
///
/// # Errors
/// Where there is more than DWARF's 32-bit format can hold.
pub fn write(
    image: &KernelImage<'_>,
    symbols: &SymbolTable,
    offset: u64,
) -> Result<DebugSection, DwarfError> {
    // The kernel's own code is where all these bits are set; a signature takes some of their places.
    let top = !(u64::MAX >> symbols.base().leading_ones());
    let mut table = FrameTable::default();
    let entered = entered(image, symbols);
    let mut functions =
        symbols.symbols().iter().filter(|symbol| symbol.kind == SymbolKind::Function).peekable();
    while let Some(symbol) = functions.next() {
        let mut kind = entry::kind(&symbol.name);
        // Several names may be one function's.
        while let Some(other) = functions.next_if(|next| next.address == symbol.address) {
            kind = kind.max(entry::kind(&other.name));
        }
        if entered.contains(&symbol.address) {
            kind = Kind::First;
        }
        let code = code_of(image, symbols, symbol);
        let writer = Function { begin: symbol.address.wrapping_add(offset), top, table: &mut table };
        writer.write(&code, kind)?;
    }
    let mut section = DebugFrame::from(EndianVec::new(LittleEndian));
    table.write_debug_frame(&mut section)?;
    Ok(DebugSection { name: ".debug_frame", bytes: section.0.into_vec() })
}

/// Where the code that a processor begins with goes on without a return address: until Linux 5.15 that is the first
/// function in C.
fn entered(image: &KernelImage<'_>, symbols: &SymbolTable) -> Vec<u64> {
    let begins = entry::LEAVES.iter().flat_map(|name| symbols.named(name));
    let leaves = begins.flat_map(|begin| {
        let code = code_of(image, symbols, begin);
        let jumps = code.into_iter().zip(0_i64..).filter_map(|(word, at)| match code::flow(word) {
            Flow::Jump(distance) => Some(begin.address.wrapping_add_signed(4 * (at + i64::from(distance)))),
            _ => None,
        });
        jumps.filter(|&to| to.wrapping_sub(begin.address) >= begin.size).collect::<Vec<_>>()
    });
    leaves.collect()
}

/// The instructions of a function, as many as are in the image.
fn code_of(image: &KernelImage<'_>, symbols: &SymbolTable, symbol: &Symbol) -> Vec<u32> {
    /// No function is larger; what seems to be is no code, and it is not followed.
    const LONGEST: u64 = 1 << 20;
    let begin = symbol.address.checked_sub(symbols.base()).and_then(|begin| usize::try_from(begin).ok());
    let words = usize::try_from(symbol.size.min(LONGEST) / 4).unwrap_or_default();
    let word = |index: usize| u32_at(image.bytes(), begin?.checked_add(4 * index)?);
    (0..words).map_while(word).collect()
}

/// A function that is being described.
struct Function<'a> {
    /// Where it is to be.
    begin: u64,
    /// The bits that are set in every address of the kernel's code.
    top: u64,
    table: &'a mut FrameTable,
}

impl Function<'_> {
    fn write(mut self, code: &[u32], kind: Kind) -> Result<(), DwarfError> {
        match kind {
            Kind::Usual => self.usual(code, false),
            Kind::OtherStack => self.usual(code, true),
            Kind::First => self.part(0..code.len(), first()),
            Kind::Exception => {
                let saved = entry::registers_are_saved(code);
                let other = entry::on_other_stack(code, &saved);
                self.part(0..saved.start, first());
                self.part(saved.start..other.start, exception(AArch64::SP));
                self.part(other.clone(), exception(AArch64::X19));
                self.part(other.end..saved.end, exception(AArch64::SP));
                self.part(saved.end..code.len(), first());
            }
        }
        Ok(())
    }

    /// Some instructions that have one frame.
    fn part(&mut self, instructions: std::ops::Range<usize>, cie: CommonInformationEntry) {
        let (begin, length) = (4 * instructions.start as u64, 4 * instructions.len());
        if let (Ok(length @ 1..), begin) = (u32::try_from(length), self.begin.wrapping_add(begin)) {
            let cie = self.table.add_cie(cie);
            self.table.add_fde(cie, FrameDescriptionEntry::new(Address::Constant(begin), length));
        }
    }

    fn usual(&mut self, code: &[u32], other_stack: bool) {
        let Ok(length @ 1..) = u32::try_from(4 * code.len()) else { return };
        let mut fde = FrameDescriptionEntry::new(Address::Constant(self.begin), length);
        let mut last = Frame::NEW;
        for (at, frame) in (0_u32..).step_by(4).zip(flow::frames(code)) {
            for rule in self.changes(&last, &frame) {
                fde.add_instruction(at, rule);
            }
            last = frame;
        }
        let mut cie = common(Register(u16::from(LINK)));
        cie.signal_trampoline = other_stack;
        let cie = self.table.add_cie(cie);
        self.table.add_fde(cie, fde);
    }

    /// What is different from the instruction before.
    fn changes(&self, last: &Frame, frame: &Frame) -> Vec<Rule> {
        let mut rules = Vec::new();
        if last.end() != frame.end() {
            rules.push(match frame.end() {
                End::Stack(distance) => Rule::Cfa(AArch64::SP, distance),
                End::Pointer(distance) => Rule::Cfa(AArch64::X29, distance),
            });
        }
        for ((register, was), (_, is)) in last.kept().zip(frame.kept()) {
            let link = register == LINK;
            if was == is && !(link && last.signed != frame.signed) {
                continue;
            }
            let number = Register(u16::from(register));
            rules.push(match is {
                place if link && frame.signed => Rule::ValExpression(number, self.unsigned(place)),
                Some(distance) => Rule::Offset(number, -distance),
                None => Rule::SameValue(number),
            });
        }
        rules
    }

    /// The return address of which the register, or a place so far below the frame's end, has a signed one.
    fn unsigned(&self, place: Option<i32>) -> Expression {
        let mut value = Expression::new();
        match place {
            // The frame's end is on the stack already (DWARF 5, "Register Rule Instructions").
            Some(distance) => {
                value.op_consts(-i64::from(distance));
                value.op(constants::DW_OP_plus);
                value.op_deref();
            }
            None => value.op_breg(AArch64::X30, 0),
        }
        value.op_consts(self.top.cast_signed());
        value.op(constants::DW_OP_or);
        value
    }
}

/// What all functions begin with.
fn common(returns_to: Register) -> CommonInformationEntry {
    let mut cie = CommonInformationEntry::new(ENCODING, CODE_FACTOR, DATA_FACTOR, returns_to);
    cie.add_instruction(Rule::Cfa(AArch64::SP, 0));
    for register in 0..=LAST_SCRATCH {
        cie.add_instruction(Rule::Undefined(Register(register)));
    }
    cie
}

/// Nobody has called this.
fn first() -> CommonInformationEntry {
    let mut cie = common(AArch64::X30);
    cie.add_instruction(Rule::Undefined(AArch64::X30));
    cie
}

/// All registers of what was interrupted are where a register points.
fn exception(at: Register) -> CommonInformationEntry {
    let mut cie = CommonInformationEntry::new(ENCODING, CODE_FACTOR, DATA_FACTOR, AArch64::PC);
    cie.signal_trampoline = true;
    cie.add_instruction(Rule::Cfa(at, entry::SIZE));
    for (register, place) in entry::places() {
        cie.add_instruction(Rule::Offset(register, place - entry::SIZE));
    }
    cie
}
