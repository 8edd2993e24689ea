//! Comparators of Cortex-M: `m_profile`.

use trapline_core::m_profile::{self, debug_control, dwt, dwt_v1, dwt_v2, fpb};
use trapline_core::pool::Slots;
use trapline_core::watchpoint::Watchpoint;

use crate::walk;

/// Links them.
pub(crate) fn link() {
    layout!(debug_control::Demcr: u32 {
        vc_corereset, vc_mmerr, vc_nocperr, vc_chkerr, vc_staterr, vc_buserr, vc_interr, vc_harderr,
        vc_sferr, mon_en, mon_pend, mon_step, mon_req, trcena
    });
    layout!(debug_control::Dfsr: u32 { halted, bkpt, dwttrap, vcatch, external });
    layout!(dwt::DwtCtrl: u32 { noprfcnt, nocyccnt, noexttrig, notrcpkt, numcomp });
    layout!(dwt_v2::Function: u32 { r#match, action, datavsize, matched, id });
    layout!(fpb::FpCtrl: u32 { enable, key, num_code_low, num_lit, num_code_high, rev });
    debug![
        dwt_v1::Piece,
        dwt_v1::Plan,
        dwt_v2::Abilities,
        dwt_v2::Comparator,
        dwt_v2::FunctionId,
        dwt_v2::Plan,
        fpb::BreakpointUnit,
        m_profile::Units,
        m_profile::WatchpointUnit,
        m_profile::WatchRegisters
    ];
    display![fpb::BreakpointUnit];
    error![dwt::DwtError, fpb::FpbError, m_profile::UnitError];
    link![
        dwt::comparator_address,
        dwt::function_address,
        dwt::mask_address,
        dwt_v1::function,
        dwt_v1::plan,
        dwt_v1::Plan::len,
        dwt_v1::Plan::pieces,
        walk_pieces,
        dwt_v2::plan,
        dwt_v2::FunctionId::from_bits,
        dwt_v2::FunctionId::into_bits,
        dwt_v2::FunctionId::has_data_address,
        dwt_v2::FunctionId::has_data_address_limit,
        dwt_v2::Plan::len,
        dwt_v2::Plan::needs_neighbours,
        dwt_v2::Plan::comparators,
        walk_comparators,
        dwt_v2::Plan::place,
        dwt_v2::Abilities::with,
        dwt_v2::Abilities::limits,
        fpb::BreakpointUnit::comparator,
        fpb::BreakpointUnit::address,
        fpb::BreakpointUnit::pair,
        fpb::comparator_address,
        fpb::FpCtrl::num_code,
        fpb::FpCtrl::unit,
        m_profile::breakpoint_comparator,
        m_profile::WatchRegisters::from_pair,
        m_profile::WatchpointUnit::place,
        m_profile::WatchpointUnit::watched_by,
        walk_pairs,
    ];
}

fn walk_pieces(plan: &dwt_v1::Plan) {
    walk(plan.pieces());
}

fn walk_comparators(plan: &dwt_v2::Plan) {
    walk(plan.comparators());
}

fn walk_pairs(unit: &m_profile::WatchpointUnit, watchpoint: &Watchpoint, slots: Slots) {
    walk(unit.pairs(watchpoint, slots));
}
