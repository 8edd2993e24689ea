//! Syndromes: `syndrome`.

use trapline_core::syndrome;

/// Links them.
pub(crate) fn link() {
    read_only!(syndrome::AuthenticationFailure: u32 { b_key, data_key });
    read_only!(syndrome::Conditional: u32 { ccknownpass, cond, cv });
    read_only!(syndrome::CoprocessorAccess: u32 { direction, crm, rt, crn, opc1, opc2, cond, cv });
    read_only!(syndrome::CoprocessorLoadStore: u32 { direction, am, offset, rn, imm8, cond, cv });
    read_only!(syndrome::CoprocessorPairAccess: u32 { direction, crm, rt, rt2, opc1, cond, cv });
    read_only!(syndrome::DataAbort: u64 {
        dfsc, wnr, s1ptw, cm, ea, fnv, set, vncr, ar, sf, srt, sse, sas, isv, xs, dirty_bit, overlay,
        assured_only, gcs, tag_access, tnd, hdbssf
    });
    read_only!(syndrome::ExceptionReturn: u32 { ereta, eret });
    read_only!(syndrome::FloatingPoint: u32 { iof, dzf, off, uff, ixf, idf, tfv });
    read_only!(syndrome::GranuleProtection: u32 { xfsc, wnr, s1ptw, cm, vncr, gpcsc, ind, s2ptw });
    read_only!(syndrome::GuardedControlStack: u32 { it, rn, raddr, extype });
    read_only!(syndrome::InstructionAbort: u32 { ifsc, s1ptw, ea, fnv, set });
    read_only!(syndrome::MemoryCopySet: u32 {
        sizereg, srcreg, destreg, option_a, wrong_option, from_epilogue, options, is_setg, mem_inst
    });
    read_only!(syndrome::SoftwareStep: u32 { ex, isv });
    read_only!(syndrome::SystemError: u32 { dfsc, ea, aet, iesb, ids });
    read_only!(syndrome::SystemRegisterAccess: u32 { direction, crm, rt, crn, op1, op2, op0 });
    read_only!(syndrome::Wait: u32 { ti, rv, rn, cond, cv });
    read_only!(syndrome::Watchpoint: u32 { dfsc, wnr, cm, fnv, vncr, fnp, wpf, wptv, wpt });
    debug![
        syndrome::AsynchronousErrorType,
        syndrome::Details,
        syndrome::ExceptionClass,
        syndrome::FaultStatus,
        syndrome::SmeTrap,
        syndrome::SynchronousErrorType,
        syndrome::WaitInstruction,
        syndrome::Syndrome,
        syndrome::SystemRegisterPairAccess,
    ];
    display![
        syndrome::AsynchronousErrorType,
        syndrome::Details,
        syndrome::ExceptionClass,
        syndrome::FaultStatus,
        syndrome::SmeTrap,
        syndrome::SynchronousErrorType,
        syndrome::AuthenticationFailure,
        syndrome::CoprocessorAccess,
        syndrome::CoprocessorLoadStore,
        syndrome::CoprocessorPairAccess,
        syndrome::DataAbort,
        syndrome::ExceptionReturn,
        syndrome::FloatingPoint,
        syndrome::GranuleProtection,
        syndrome::GuardedControlStack,
        syndrome::InstructionAbort,
        syndrome::MemoryCopySet,
        syndrome::SoftwareStep,
        syndrome::Syndrome,
        syndrome::SystemError,
        syndrome::SystemRegisterAccess,
        syndrome::SystemRegisterPairAccess,
        syndrome::Wait,
        syndrome::Watchpoint
    ];
    link![
        syndrome::AsynchronousErrorType::from_bits,
        syndrome::ExceptionClass::from_bits,
        syndrome::ExceptionClass::into_bits,
        syndrome::ExceptionClass::is_debug,
        syndrome::ExceptionClass::from_same_level,
        syndrome::ExceptionClass::from_lower_level,
        syndrome::FaultStatus::from_bits,
        syndrome::SmeTrap::from_bits,
        syndrome::SynchronousErrorType::from_bits,
        syndrome::WaitInstruction::from_bits,
        syndrome::Conditional::condition,
        syndrome::SoftwareStep::exclusive,
        syndrome::Syndrome::decode,
        syndrome::SystemRegisterAccess::register,
        syndrome::SystemRegisterAccess::first_of_pair,
        syndrome::Watchpoint::number,
    ];
}
