//! Register layouts: `registers`.

use trapline_core::registers;

/// Links them.
pub(crate) fn link() {
    layout!(registers::Cpsr: u32 { mode, t, f, i, a, e, il, dit, pan, ssbs, j, q, v, c, z, n });
    layout!(registers::Dbgbcr: u64 { e, pmc, bt2, bas, hmc, ssc, lbn, bt, mask, ssce, lbnx });
    layout!(registers::Dbgwcr: u64 { e, pac, lsc, bas, hmc, ssc, lbn, wt, wt2, mask, ssce, lbnx });
    layout!(registers::Eddfr: u64 {
        tracever, pmuver, brps, pmss, wrps, sebep, ctx_cmps, tracefilt, tracebuffer, exttrcbuff
    });
    layout!(registers::Edecr: u32 { osuce, rce, ss, pme, trce, trbe });
    layout!(registers::Edprsr: u32 {
        pu, spd, r, sr, halted, oslk, dlk, edad, sdad, epmad, spmad, sdr, etad, stad, edade, etade, epmade
    });
    layout!(registers::Edrcr: u32 { cse, cspa, cbrrq });
    layout!(registers::Edscr: u32 {
        status, err, a, el, rw, hde, nse, sdd, ns, sc2, ma, tda, intdis, ite, pipeadv, txu, rxo, ito,
        txfull, rxfull, tfo
    });
    layout!(registers::Esr: u64 { il });
    layout!(registers::IdAa64dfr0El1: u64 {
        debugver, tracever, pmuver, brps, pmss, wrps, sebep, ctx_cmps, pmsver, doublelock, tracefilt,
        tracebuffer, mtpmu, brbe, exttrcbuff, hpmn0
    });
    layout!(registers::IdAa64dfr1El1: u64 {
        syspmuid, brps, wrps, ctx_cmps, spmu, pmicntr, able, ite, ebep, dpfzs, abl_cmps
    });
    layout!(registers::IdAa64dfr2El1: u64 { step, bwe, spe_exc, spe_nvm, trbe_exc });
    layout!(registers::MdcrEl2: u64 {
        hpmn, tpmcr, tpm, hpme, tde, tda, tdosa, tdra, e2pb, tpms, enspm, hpmd, ttrf, hccd, e2tb, hlp,
        tdcc, mtpme, hpmfzo, pmsse, hpmfzs, pmee, ebwe, enstepop
    });
    layout!(registers::MdscrEl1: u64 {
        ss, err, tdcc, kde, hde, mde, sc2, tda, intdis, txu, rxo, txfull, rxfull, tfo, embwe, tta, enspm,
        ehbwe, enstepop
    });
    layout!(registers::OslarEl1: u64 { oslk });
    layout!(registers::OslsrEl1: u64 { oslm0, oslk, ntt, oslm1 });
    layout!(registers::Pstate: u64 {
        mode, f, i, a, d, btype, ssbs, allint, il, ss, pan, uao, dit, tco, v, c, z, n, pm, ppend, exlock,
        pacm, uinj
    });
    layout!(registers::SctlrEl1: u64 {
        m, a, c, sa, sa0, cp15ben, naa, itd, sed, uma, enrctx, eos, i, endb, dze, uct, ntwi, ntwe, wxn,
        tscxt, iesb, eis, span, e0e, ee, uci, enda, ntlsmd, lsmaoe, enib, enia, cmow, mscen, bt0, bt1,
        itfsb, ata0, ata, dssbs, tweden, tmt0, tmt, tme0, tme, enasr, enas0, enals, epan, tcso0, tcso,
        entp2, nmi, spintmask, tidcp
    });
    layout!(registers::Tcr2El1: u64 { pnch, pie, e0poe, poe, aie, d128 });
    layout!(registers::TcrEl1: u64 {
        epd0, a1, epd1, asid16, tbi0, tbi1, ha, hd, hpd0, hpd1, hwu, tbid0, tbid1, nfd0, nfd1, e0pd0,
        e0pd1, tcma0, tcma1, ds, mtx0, mtx1
    });
    layout!(registers::Ttbr: u64 { cnp, asid });
    debug![
        registers::BranchType,
        registers::BreakpointType,
        registers::ExceptionLevel,
        registers::LoadStoreControl,
        registers::Mode,
        registers::StackPointer,
        registers::Dbgbvr,
        registers::Dbgwvr,
        registers::DebugStatus,
        registers::Edwar,
        registers::SpecialRegister,
        registers::TransferPlace,
        registers::Uint<4>
    ];
    default![registers::Dbgbvr, registers::Dbgwvr, registers::Edwar, registers::Uint<4>];
    display![
        registers::ExceptionLevel,
        registers::SpecialRegister,
        registers::Mode,
        registers::DebugStatus,
        registers::Uint<4>
    ];
    #[cfg(feature = "text")]
    link![<registers::Uint<4> as core::fmt::Binary>::fmt];
    link![
        registers::SpecialRegister::name,
        registers::SpecialRegister::transfer_place,
        registers::BranchType::from_bits,
        registers::BranchType::into_bits,
        registers::BreakpointType::from_bits,
        registers::BreakpointType::into_bits,
        registers::BreakpointType::compares_address,
        registers::LoadStoreControl::from_bits,
        registers::LoadStoreControl::into_bits,
        registers::Mode::from_bits,
        registers::Mode::into_bits,
        registers::Mode::exception_level,
        registers::Mode::is_aarch32,
        registers::Cpsr::it_high,
        registers::Cpsr::ge,
        registers::Cpsr::it_low,
        registers::Cpsr::it,
        registers::Cpsr::with_it,
        registers::Cpsr::to_pstate,
        registers::Dbgbcr::linked_number,
        registers::Dbgbcr::with_linked_number,
        registers::Dbgbvr::from_address,
        registers::Dbgbvr::from_context_id,
        registers::Dbgbvr::with_vmid,
        registers::Dbgbvr::with_context_id2,
        registers::Dbgbvr::address,
        registers::Dbgbvr::context_id,
        registers::Dbgbvr::vmid,
        registers::Dbgbvr::context_id2,
        registers::Dbgbvr::from_bits,
        registers::Dbgbvr::into_bits,
        registers::Dbgwcr::linked_number,
        registers::Dbgwcr::with_linked_number,
        registers::Dbgwvr::from_address,
        registers::Dbgwvr::address,
        registers::Dbgwvr::from_bits,
        registers::Dbgwvr::into_bits,
        registers::DebugStatus::from_bits,
        registers::DebugStatus::into_bits,
        registers::DebugStatus::is_halted,
        registers::DebugStatus::is_step,
        registers::Edwar::from_words,
        registers::Esr::iss,
        registers::Esr::ec,
        registers::Esr::iss2,
        registers::Esr::with_ec,
        registers::Esr::with_iss,
        registers::Pstate::aarch32,
        registers::Pstate::exception_level,
        registers::Pstate::is_aarch32,
        registers::Pstate::stack_pointer_selector,
        registers::Pstate::daif,
        registers::Pstate::with_daif,
        registers::SctlrEl1::tcf0,
        registers::SctlrEl1::tcf,
        registers::SctlrEl1::twedel,
        registers::SctlrEl1::aarch32_v,
        registers::SctlrEl1::aarch32_tre,
        registers::SctlrEl1::aarch32_afe,
        registers::SctlrEl1::aarch32_te,
        registers::SctlrEl1::aarch32_uwxn,
        registers::SctlrEl1::aarch32_dssbs,
        registers::TcrEl1::t0sz,
        registers::TcrEl1::irgn0,
        registers::TcrEl1::orgn0,
        registers::TcrEl1::sh0,
        registers::TcrEl1::tg0,
        registers::TcrEl1::t1sz,
        registers::TcrEl1::irgn1,
        registers::TcrEl1::orgn1,
        registers::TcrEl1::sh1,
        registers::TcrEl1::tg1,
        registers::TcrEl1::ips,
        registers::Ttbr::baddr,
        registers::Ttbr::base,
        registers::Ttbr::base_52,
        registers::Uint::<4>::new,
        registers::Uint::<4>::from_bits,
        registers::Uint::<4>::into_bits,
        registers::Uint::<4>::get,
    ];
}
