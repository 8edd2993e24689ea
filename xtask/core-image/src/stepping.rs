//! Steps, what instructions access, and the registers of AArch32: `stepping`, `load_store`, `aarch32`.

use core::hint::black_box;

use trapline_core::{aarch32, breakpoint, load_store, stepping};

use crate::walk;

/// Links them.
pub(crate) fn link() {
    debug![
        aarch32::View,
        load_store::aarch32::Base,
        load_store::aarch32::LoadStore,
        load_store::aarch32::Offset,
        load_store::aarch32::Shift,
        load_store::Base,
        load_store::Direction,
        load_store::Extend,
        load_store::Length,
        load_store::LoadStore,
        load_store::Offset,
        stepping::AfterStep,
        stepping::ExceptionRegisters,
        stepping::ExceptionSources,
        stepping::ExclusiveSequence,
        stepping::Fixups,
        stepping::QuietStep,
        stepping::Stretch,
        stepping::Changes,
    ];
    default![stepping::Fixups];
    link![
        aarch32::register,
        aarch32::spsr,
        aarch32::x_register,
        aarch32::View::from_aarch64,
        aarch32::View::to_aarch64,
        load_store::aarch32::executes,
        load_store::aarch32::LoadStore::decode,
        load_store::aarch32::LoadStore::base,
        load_store::aarch32::LoadStore::offset,
        load_store::aarch32::LoadStore::length,
        load_store::aarch32::LoadStore::direction,
        load_store::aarch32::LoadStore::accessed,
        load_store::LoadStore::decode,
        load_store::LoadStore::base,
        load_store::LoadStore::offset,
        load_store::LoadStore::length,
        load_store::LoadStore::direction,
        load_store::LoadStore::accessed,
        stepping::ExceptionSources::of,
        find_sequence,
        find_sequence_in,
        stepping::ExclusiveSequence::first,
        stepping::ExclusiveSequence::last,
        stepping::ExclusiveSequence::exits,
        stepping::keeps_translation,
        stepping::Fixups::writes,
        walk_writes,
        stepping::QuietStep::begin,
        stepping::QuietStep::begin_with_nmi,
        stepping::QuietStep::begin_run,
        stepping::QuietStep::may_wait,
        stepping::QuietStep::needs_exception_registers,
        stepping::QuietStep::end,
        find_stretch,
        stepping::Stretch::first,
        stepping::Stretch::last,
        stepping::Stretch::exits,
        stepping::Changes::of,
        stepping::Changes::general,
        stepping::Changes::pstate,
        stepping::Changes::vectors,
        stepping::may_be_vector,
    ];
}

fn walk_writes(fixups: stepping::Fixups) {
    walk(fixups.writes());
}

fn find_sequence(pc: u64) -> Option<stepping::ExclusiveSequence> {
    stepping::ExclusiveSequence::find(pc, fetch)
}

fn find_sequence_in(set: breakpoint::Instruction, pc: u64) -> Option<stepping::ExclusiveSequence> {
    stepping::ExclusiveSequence::find_in(set, pc, fetch)
}

fn find_stretch(start: u64, end: u64, pc: u64, room: usize) -> Option<stepping::Stretch> {
    stepping::Stretch::find(start, end, pc, room, fetch)
}

/// The instruction at an address, unknown until it runs.
fn fetch(address: u64) -> Option<u32> {
    black_box(address);
    black_box(None)
}
