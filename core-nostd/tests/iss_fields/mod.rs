//! What a decoded syndrome says, as the fields that DDI 0487 names: bit ranges written from the manual's
//! ISS encodings, apart from the decoder.

use trapline_core::syndrome::{
    AsynchronousErrorType, Details, FaultStatus, GuardedControlStack, SmeTrap, SynchronousErrorType,
    Syndrome, SystemError, WaitInstruction,
};

/// A field with its bits of ESR_ELx, and the value that the decoder gave it.
#[derive(Debug)]
pub(crate) struct Field {
    pub name: &'static str,
    pub high: u32,
    pub low: u32,
    pub value: u64,
}

fn field(name: &'static str, high: u32, low: u32, value: impl Into<u64>) -> Field {
    Field { name, high, low, value: value.into() }
}

fn condition(cv: bool, cond: u8) -> Vec<Field> {
    if cv {
        vec![field("CV", 24, 24, true), field("COND", 23, 20, cond)]
    } else {
        vec![field("CV", 24, 24, false)]
    }
}

/// DFSC and IFSC by the table of the manual.
pub(crate) fn status_code(status: FaultStatus) -> u8 {
    // Levels of one code are next to each other, but for those below 0.
    let at = |base: u8, minus_1: u8, minus_2: u8, level: i8| match level {
        -2 => minus_2,
        -1 => minus_1,
        level => base + level.unsigned_abs(),
    };
    match status {
        FaultStatus::AddressSize { level } => at(0b000000, 0b101001, 0b101100, level),
        FaultStatus::Translation { level } => at(0b000100, 0b101011, 0b101010, level),
        FaultStatus::AccessFlag { level } => at(0b001000, 0xff, 0xff, level),
        FaultStatus::Permission { level } => at(0b001100, 0xff, 0xff, level),
        FaultStatus::External => 0b010000,
        FaultStatus::TagCheck => 0b010001,
        FaultStatus::ExternalOnWalk { level } => at(0b010100, 0b010011, 0b010010, level),
        FaultStatus::Parity => 0b011000,
        FaultStatus::ParityOnWalk { level } => at(0b011100, 0b011011, 0xff, level),
        FaultStatus::Alignment => 0b100001,
        FaultStatus::GranuleProtectionOnWalk { level } => at(0b100100, 0b100011, 0b100010, level),
        FaultStatus::GranuleProtection => 0b101000,
        FaultStatus::TlbConflict => 0b110000,
        FaultStatus::UnsupportedAtomicUpdate => 0b110001,
        FaultStatus::Lockdown => 0b110100,
        FaultStatus::UnsupportedExclusive => 0b110101,
        FaultStatus::Reserved(bits) => bits,
        _ => 0xff,
    }
}

fn set_bits(set: SynchronousErrorType) -> u8 {
    match set {
        SynchronousErrorType::Recoverable => 0b00,
        SynchronousErrorType::Reserved => 0b01,
        SynchronousErrorType::Uncontainable => 0b10,
        SynchronousErrorType::Restartable => 0b11,
    }
}

fn smtc_bits(trap: SmeTrap) -> u8 {
    match trap {
        SmeTrap::Disabled => 0,
        SmeTrap::IllegalWhenStreaming => 1,
        SmeTrap::IllegalWhenNotStreaming => 2,
        SmeTrap::ZaInactive => 3,
        SmeTrap::Zt0Disabled => 4,
        SmeTrap::Reserved(bits) => bits,
    }
}

fn aet_bits(kind: AsynchronousErrorType) -> u8 {
    match kind {
        AsynchronousErrorType::Uncontainable => 0b000,
        AsynchronousErrorType::Unrecoverable => 0b001,
        AsynchronousErrorType::Restartable => 0b010,
        AsynchronousErrorType::Recoverable => 0b011,
        AsynchronousErrorType::Corrected => 0b110,
        AsynchronousErrorType::Reserved(bits) => bits,
    }
}

fn ti_bits(instruction: WaitInstruction) -> u8 {
    match instruction {
        WaitInstruction::Wfi => 0,
        WaitInstruction::Wfe => 1,
        WaitInstruction::Wfit => 2,
        WaitInstruction::Wfet => 3,
    }
}

/// All that the decoder says of the ISS and ISS2, where it means something.
pub(crate) fn fields(syndrome: &Syndrome) -> Vec<Field> {
    match syndrome.details {
        Details::BranchTarget(btype) => vec![field("BTYPE", 1, 0, btype.into_bits())],
        Details::Call(immediate) => vec![field("imm16", 15, 0, immediate)],
        Details::BreakInstruction(comment) => vec![field("Comment", 15, 0, comment)],
        Details::Tstart(rd) => vec![field("Rd", 9, 5, rd)],
        Details::Raw(iss) | Details::OtherInstruction(iss) => vec![field("ISS", 24, 0, iss)],
        Details::Sme(trap) => vec![field("SMTC", 2, 0, smtc_bits(trap))],
        Details::FpAccess(access) => condition(access.cv(), access.cond()),
        Details::Smc32(call) => {
            let mut fields = condition(call.cv(), call.cond());
            fields.push(field("CCKNOWNPASS", 19, 19, call.ccknownpass()));
            fields
        }
        Details::ExceptionReturn(instruction) => {
            let mut fields = vec![field("ERET", 1, 1, instruction.eret())];
            if instruction.eret() {
                fields.push(field("ERETA", 0, 0, instruction.ereta()));
            }
            fields
        }
        Details::AuthenticationFailure(failure) => {
            vec![field("IorD", 1, 1, failure.data_key()), field("AorB", 0, 0, failure.b_key())]
        }
        Details::SystemError(error) => system_error(error),
        Details::GuardedControlStack(check) => guarded_control_stack(check),
        Details::FloatingPoint(flags) => vec![
            field("TFV", 23, 23, flags.tfv()),
            field("IDF", 7, 7, flags.idf()),
            field("IXF", 4, 4, flags.ixf()),
            field("UFF", 3, 3, flags.uff()),
            field("OFF", 2, 2, flags.off()),
            field("DZF", 1, 1, flags.dzf()),
            field("IOF", 0, 0, flags.iof()),
        ],
        Details::MemoryCopySet(instruction) => vec![
            field("MemInst", 24, 24, instruction.mem_inst()),
            field("isSETG", 23, 23, instruction.is_setg()),
            field("Options", 22, 19, instruction.options()),
            field("FromEpilogue", 18, 18, instruction.from_epilogue()),
            field("WrongOption", 17, 17, instruction.wrong_option()),
            field("OptionA", 16, 16, instruction.option_a()),
            field("destreg", 14, 10, instruction.destreg()),
            field("srcreg", 9, 5, instruction.srcreg()),
            field("sizereg", 4, 0, instruction.sizereg()),
        ],
        Details::SoftwareStep(step) => {
            let mut fields = vec![field("ISV", 24, 24, step.isv())];
            if step.isv() {
                fields.push(field("EX", 6, 6, step.ex()));
            }
            fields
        }
        Details::Watchpoint(watchpoint) => {
            let mut fields = vec![
                field("WPTV", 17, 17, watchpoint.wptv()),
                field("WPF", 16, 16, watchpoint.wpf()),
                field("FnP", 15, 15, watchpoint.fnp()),
                field("VNCR", 13, 13, watchpoint.vncr()),
                field("FnV", 10, 10, watchpoint.fnv()),
                field("CM", 8, 8, watchpoint.cm()),
                field("WnR", 6, 6, watchpoint.wnr()),
                field("DFSC", 5, 0, watchpoint.dfsc()),
            ];
            fields.extend(watchpoint.number().map(|number| field("WPT", 23, 18, number)));
            fields
        }
        _ => traps(syndrome).or_else(|| aborts(syndrome)).unwrap_or_default(),
    }
}

fn traps(syndrome: &Syndrome) -> Option<Vec<Field>> {
    let fields = match syndrome.details {
        Details::Wait(wait) => {
            let mut fields = condition(wait.cv(), wait.cond());
            fields.extend([field("RV", 2, 2, wait.rv()), field("TI", 1, 0, ti_bits(wait.ti()))]);
            if wait.rv() {
                fields.push(field("RN", 9, 5, wait.rn()));
            }
            fields
        }
        Details::Coprocessor(access) => {
            let mut fields = condition(access.cv(), access.cond());
            fields.extend([
                field("Opc2", 19, 17, access.opc2()),
                field("Opc1", 16, 14, access.opc1()),
                field("CRn", 13, 10, access.crn()),
                field("Rt", 9, 5, access.rt()),
                field("CRm", 4, 1, access.crm()),
                field("Direction", 0, 0, access.direction()),
            ]);
            fields
        }
        Details::CoprocessorPair(access) => {
            let mut fields = condition(access.cv(), access.cond());
            fields.extend([
                field("Opc1", 19, 16, access.opc1()),
                field("Rt2", 14, 10, access.rt2()),
                field("Rt", 9, 5, access.rt()),
                field("CRm", 4, 1, access.crm()),
                field("Direction", 0, 0, access.direction()),
            ]);
            fields
        }
        Details::CoprocessorLoadStore(access) => {
            let mut fields = condition(access.cv(), access.cond());
            fields.extend([
                field("imm8", 19, 12, access.imm8()),
                field("Rn", 9, 5, access.rn()),
                field("Offset", 4, 4, access.offset()),
                field("AM", 3, 1, access.am()),
                field("Direction", 0, 0, access.direction()),
            ]);
            fields
        }
        Details::SystemRegister(access) => vec![
            field("Op0", 21, 20, access.register().op0()),
            field("Op2", 19, 17, access.register().op2()),
            field("Op1", 16, 14, access.register().op1()),
            field("CRn", 13, 10, access.register().crn()),
            field("Rt", 9, 5, access.rt()),
            field("CRm", 4, 1, access.register().crm()),
            field("Direction", 0, 0, access.direction()),
        ],
        Details::SystemRegisterPair(access) => vec![
            field("Op0", 21, 20, access.0.register().op0()),
            field("Op2", 19, 17, access.0.register().op2()),
            field("Op1", 16, 14, access.0.register().op1()),
            field("CRn", 13, 10, access.0.register().crn()),
            field("Rt", 9, 6, access.0.first_of_pair() / 2),
            field("CRm", 4, 1, access.0.register().crm()),
            field("Direction", 0, 0, access.0.direction()),
        ],
        _ => return None,
    };
    Some(fields)
}

fn aborts(syndrome: &Syndrome) -> Option<Vec<Field>> {
    let fields = match syndrome.details {
        Details::GranuleProtection(check) => vec![
            field("S2PTW", 21, 21, check.s2ptw()),
            field("InD", 20, 20, check.ind()),
            field("GPCSC", 19, 14, check.gpcsc()),
            field("VNCR", 13, 13, check.vncr()),
            field("CM", 8, 8, check.cm()),
            field("S1PTW", 7, 7, check.s1ptw()),
            field("WnR", 6, 6, check.wnr()),
            field("xFSC", 5, 0, status_code(check.xfsc())),
        ],
        Details::InstructionAbort(abort) => vec![
            field("SET", 12, 11, set_bits(abort.set())),
            field("FnV", 10, 10, abort.fnv()),
            field("EA", 9, 9, abort.ea()),
            field("S1PTW", 7, 7, abort.s1ptw()),
            field("IFSC", 5, 0, status_code(abort.ifsc())),
        ],
        Details::DataAbort(abort) => {
            let mut fields = vec![
                field("ISV", 24, 24, abort.isv()),
                field("VNCR", 13, 13, abort.vncr()),
                field("SET", 12, 11, set_bits(abort.set())),
                field("FnV", 10, 10, abort.fnv()),
                field("EA", 9, 9, abort.ea()),
                field("CM", 8, 8, abort.cm()),
                field("S1PTW", 7, 7, abort.s1ptw()),
                field("WnR", 6, 6, abort.wnr()),
                field("DFSC", 5, 0, status_code(abort.dfsc())),
                field("HDBSSF", 43, 43, abort.hdbssf()),
                field("TnD", 42, 42, abort.tnd()),
                field("TagAccess", 41, 41, abort.tag_access()),
                field("GCS", 40, 40, abort.gcs()),
                field("AssuredOnly", 39, 39, abort.assured_only()),
                field("Overlay", 38, 38, abort.overlay()),
                field("DirtyBit", 37, 37, abort.dirty_bit()),
                field("Xs", 36, 32, abort.xs()),
            ];
            if abort.isv() {
                fields.extend([
                    field("SAS", 23, 22, abort.sas()),
                    field("SSE", 21, 21, abort.sse()),
                    field("SRT", 20, 16, abort.srt()),
                    field("SF", 15, 15, abort.sf()),
                    field("AR", 14, 14, abort.ar()),
                ]);
            }
            fields
        }
        _ => return None,
    };
    Some(fields)
}

fn system_error(error: SystemError) -> Vec<Field> {
    if error.ids() {
        return vec![field("IDS", 24, 24, true), field("IMPDEF", 23, 0, error.into_bits() & 0xff_ffff)];
    }
    let mut fields = vec![field("IDS", 24, 24, false), field("DFSC", 5, 0, error.dfsc())];
    if error.dfsc() == 0b010001 {
        fields.extend([
            field("IESB", 13, 13, error.iesb()),
            field("AET", 12, 10, aet_bits(error.aet())),
            field("EA", 9, 9, error.ea()),
        ]);
    }
    fields
}

fn guarded_control_stack(check: GuardedControlStack) -> Vec<Field> {
    let mut fields = vec![field("ExType", 23, 20, check.extype())];
    match check.extype() {
        0 => fields.extend([field("Rn", 9, 5, check.rn()), field("IT", 4, 0, check.it())]),
        2 => fields.extend([field("Raddr", 14, 10, check.raddr()), field("Rvalue", 9, 5, check.rn())]),
        _ => {}
    }
    fields
}

/// ISS and ISS2 values, as bits of ESR_ELx, that show every bit of a syndrome alone, missing, and in
/// company: EC and IL are left 0.
pub(crate) fn representative() -> Vec<u64> {
    const ISS: u64 = 0x01ff_ffff;
    const ISS2: u64 = 0x00ff_ffff_0000_0000;
    let bits = (0..25).chain(32..56);
    let mut values = vec![0, ISS, ISS2, ISS | ISS2];
    for bit in bits {
        values.extend([
            1 << bit,
            (ISS | ISS2) & !(1 << bit),
            1 << 24 | 1 << bit,
            1 << 17 | 1 << bit,
            1 << 2 | 1 << bit,
        ]);
    }
    // The one status code of debug exceptions, with every bit.
    for bit in 0..25 {
        values.extend([0x22 | 1 << bit, 0x22 | 1 << 24 | 1 << bit]);
    }
    // All status codes and types, under the bits that give them their meaning.
    for code in 0..64 {
        values.extend([code, 1 << 24 | code, 0x1c00 | code, 0x0022 << 10 | code]);
    }
    for kind in 0..16 {
        values.extend([kind << 20, kind << 20 | 0x7fff, kind << 10 | 0b010001]);
    }
    // Arbitrary company.
    let mut word = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..512 {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        values.push(word & (ISS | ISS2));
    }
    values
}
