//! What a decoded syndrome says, as the fields that DDI 0487 names: bit ranges written from the manual's
//! ISS encodings, apart from the decoder.

use trapline_core::syndrome::{
    AsynchronousErrorType, Details, ExceptionReturn, FaultStatus, GcsInstruction, GuardedControlStack,
    OtherInstruction, SmeTrap, SynchronousErrorType, Syndrome, SystemError, WaitInstruction,
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

fn condition(condition: Option<u8>) -> Vec<Field> {
    match condition {
        Some(condition) => vec![field("CV", 24, 24, 1_u8), field("COND", 23, 20, condition)],
        None => vec![field("CV", 24, 24, 0_u8)],
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

/// All that the decoder says of the ISS and ISS2.
pub(crate) fn fields(syndrome: &Syndrome) -> Vec<Field> {
    match syndrome.details {
        Details::FpAccess { condition: cond } => condition(cond),
        Details::Smc32 { condition: cond, passed } => {
            let mut fields = condition(cond);
            fields.push(field("CCKNOWNPASS", 19, 19, !passed));
            fields
        }
        Details::BranchTarget { btype } => vec![field("BTYPE", 1, 0, btype.into_bits())],
        Details::Call { immediate } => vec![field("imm16", 15, 0, immediate)],
        Details::BreakInstruction { comment } => vec![field("Comment", 15, 0, comment)],
        Details::Tstart { rd } => vec![field("Rd", 9, 5, rd)],
        Details::Raw(iss) => vec![field("ISS", 24, 0, iss)],
        Details::OtherInstruction(instruction) => {
            let iss = match instruction {
                OtherInstruction::St64bv => 0,
                OtherInstruction::St64bv0 => 1,
                OtherInstruction::Ls64 => 2,
                OtherInstruction::Other(iss) => iss,
            };
            vec![field("ISS", 24, 0, iss)]
        }
        Details::Sme(trap) => {
            let smtc = match trap {
                SmeTrap::Disabled => 0,
                SmeTrap::IllegalWhenStreaming => 1,
                SmeTrap::IllegalWhenNotStreaming => 2,
                SmeTrap::ZaInactive => 3,
                SmeTrap::Zt0Disabled => 4,
                SmeTrap::Reserved(bits) => bits,
            };
            vec![field("SMTC", 2, 0, smtc)]
        }
        Details::ExceptionReturn(instruction) => match instruction {
            ExceptionReturn::Eret => vec![field("ERET", 1, 1, 0_u8)],
            ExceptionReturn::Eretaa => vec![field("ERET", 1, 1, 1_u8), field("ERETA", 0, 0, 0_u8)],
            ExceptionReturn::Eretab => vec![field("ERET", 1, 1, 1_u8), field("ERETA", 0, 0, 1_u8)],
        },
        Details::AuthenticationFailure(failure) => {
            vec![field("IorD", 1, 1, failure.data_key), field("AorB", 0, 0, failure.b_key)]
        }
        Details::SystemError(error) => system_error(error),
        Details::GuardedControlStack(check) => guarded_control_stack(check),
        Details::SoftwareStep(step) if step.valid => {
            vec![field("ISV", 24, 24, 1_u8), field("EX", 6, 6, step.exclusive)]
        }
        Details::SoftwareStep(_) => vec![field("ISV", 24, 24, 0_u8)],
        _ => records(syndrome),
    }
}

/// The classes whose decoded form has a field for each field.
fn records(syndrome: &Syndrome) -> Vec<Field> {
    match syndrome.details {
        Details::Wait(wait) => {
            let ti = match wait.instruction {
                WaitInstruction::Wfi => 0_u8,
                WaitInstruction::Wfe => 1,
                WaitInstruction::Wfit => 2,
                WaitInstruction::Wfet => 3,
            };
            let mut fields = condition(wait.condition);
            fields.extend([field("RV", 2, 2, wait.register.is_some()), field("TI", 1, 0, ti)]);
            fields.extend(wait.register.map(|register| field("RN", 9, 5, register)));
            fields
        }
        Details::Coprocessor(access) => {
            let mut fields = condition(access.condition);
            fields.extend([
                field("Opc2", 19, 17, access.opc2),
                field("Opc1", 16, 14, access.opc1),
                field("CRn", 13, 10, access.crn),
                field("Rt", 9, 5, access.rt),
                field("CRm", 4, 1, access.crm),
                field("Direction", 0, 0, access.read),
            ]);
            fields
        }
        Details::CoprocessorPair(access) => {
            let mut fields = condition(access.condition);
            fields.extend([
                field("Opc1", 19, 16, access.opc1),
                field("Rt2", 14, 10, access.rt2),
                field("Rt", 9, 5, access.rt),
                field("CRm", 4, 1, access.crm),
                field("Direction", 0, 0, access.read),
            ]);
            fields
        }
        Details::CoprocessorLoadStore(access) => {
            let mut fields = condition(access.condition);
            fields.extend([
                field("imm8", 19, 12, access.offset),
                field("Rn", 9, 5, access.rn),
                field("Offset", 4, 4, access.add),
                field("AM", 3, 1, access.addressing_mode),
                field("Direction", 0, 0, access.load),
            ]);
            fields
        }
        Details::SystemRegister(access) => vec![
            field("Op0", 21, 20, access.register.op0()),
            field("Op2", 19, 17, access.register.op2()),
            field("Op1", 16, 14, access.register.op1()),
            field("CRn", 13, 10, access.register.crn()),
            field("Rt", 9, 5, access.rt),
            field("CRm", 4, 1, access.register.crm()),
            field("Direction", 0, 0, access.read),
        ],
        Details::SystemRegisterPair(access) => vec![
            field("Op0", 21, 20, access.register.op0()),
            field("Op2", 19, 17, access.register.op2()),
            field("Op1", 16, 14, access.register.op1()),
            field("CRn", 13, 10, access.register.crn()),
            field("Rt", 9, 6, access.rt / 2),
            field("CRm", 4, 1, access.register.crm()),
            field("Direction", 0, 0, access.read),
        ],
        Details::GranuleProtection(check) => vec![
            field("S2PTW", 21, 21, check.stage_2_walk),
            field("InD", 20, 20, check.instruction),
            field("GPCSC", 19, 14, check.check_status),
            field("VNCR", 13, 13, check.vncr),
            field("CM", 8, 8, check.cache_maintenance),
            field("S1PTW", 7, 7, check.stage_1_walk),
            field("WnR", 6, 6, check.write),
            field("xFSC", 5, 0, status_code(check.status)),
        ],
        Details::InstructionAbort(abort) => vec![
            field("SET", 12, 11, set_bits(abort.set)),
            field("FnV", 10, 10, abort.far_not_valid),
            field("EA", 9, 9, abort.external),
            field("S1PTW", 7, 7, abort.stage_1_walk),
            field("IFSC", 5, 0, status_code(abort.status)),
        ],
        Details::DataAbort(abort) => {
            let mut fields = vec![
                field("ISV", 24, 24, abort.access.is_some()),
                field("VNCR", 13, 13, abort.vncr),
                field("SET", 12, 11, set_bits(abort.set)),
                field("FnV", 10, 10, abort.far_not_valid),
                field("EA", 9, 9, abort.external),
                field("CM", 8, 8, abort.cache_maintenance),
                field("S1PTW", 7, 7, abort.stage_1_walk),
                field("WnR", 6, 6, abort.write),
                field("DFSC", 5, 0, status_code(abort.status)),
                field("HDBSSF", 43, 43, abort.dirty_structure),
                field("TnD", 42, 42, abort.tag_not_data),
                field("TagAccess", 41, 41, abort.tag_access),
                field("GCS", 40, 40, abort.guarded_control_stack),
                field("AssuredOnly", 39, 39, abort.assured_only),
                field("Overlay", 38, 38, abort.overlay),
                field("DirtyBit", 37, 37, abort.dirty_bit),
                field("Xs", 36, 32, abort.status_register),
            ];
            if let Some(access) = abort.access {
                fields.extend([
                    field("SAS", 23, 22, access.size.trailing_zeros()),
                    field("SSE", 21, 21, access.sign_extend),
                    field("SRT", 20, 16, access.register),
                    field("SF", 15, 15, access.sixty_four),
                    field("AR", 14, 14, access.acquire_release),
                ]);
            }
            fields
        }
        Details::MemoryCopySet(instruction) => vec![
            field("MemInst", 24, 24, instruction.set),
            field("isSETG", 23, 23, instruction.sets_tags),
            field("Options", 22, 19, instruction.options),
            field("FromEpilogue", 18, 18, instruction.epilogue),
            field("WrongOption", 17, 17, instruction.wrong_option),
            field("OptionA", 16, 16, instruction.option_a),
            field("destreg", 14, 10, instruction.destination),
            field("srcreg", 9, 5, instruction.source),
            field("sizereg", 4, 0, instruction.size),
        ],
        Details::FloatingPoint(flags) => vec![
            field("TFV", 23, 23, flags.valid),
            field("IDF", 7, 7, flags.input_denormal),
            field("IXF", 4, 4, flags.inexact),
            field("UFF", 3, 3, flags.underflow),
            field("OFF", 2, 2, flags.overflow),
            field("DZF", 1, 1, flags.divide_by_zero),
            field("IOF", 0, 0, flags.invalid_operation),
        ],
        Details::Watchpoint(watchpoint) => {
            let mut fields = vec![
                field("WPTV", 17, 17, watchpoint.number.is_some()),
                field("WPF", 16, 16, watchpoint.maybe_false),
                field("FnP", 15, 15, watchpoint.far_not_precise),
                field("VNCR", 13, 13, watchpoint.vncr),
                field("FnV", 10, 10, watchpoint.far_not_valid),
                field("CM", 8, 8, watchpoint.cache_maintenance),
                field("WnR", 6, 6, watchpoint.write),
            ];
            fields.extend(watchpoint.number.map(|number| field("WPT", 23, 18, number)));
            fields
        }
        _ => Vec::new(),
    }
}

fn system_error(error: SystemError) -> Vec<Field> {
    match error {
        SystemError::ImplementationDefined(iss) => {
            vec![field("IDS", 24, 24, 1_u8), field("IMPDEF", 23, 0, iss)]
        }
        SystemError::Uncategorized => vec![field("IDS", 24, 24, 0_u8), field("DFSC", 5, 0, 0_u8)],
        SystemError::Reserved(status) => vec![field("IDS", 24, 24, 0_u8), field("DFSC", 5, 0, status)],
        SystemError::Asynchronous { implicitly_synchronized, kind, external } => {
            let aet = match kind {
                AsynchronousErrorType::Uncontainable => 0b000,
                AsynchronousErrorType::Unrecoverable => 0b001,
                AsynchronousErrorType::Restartable => 0b010,
                AsynchronousErrorType::Recoverable => 0b011,
                AsynchronousErrorType::Corrected => 0b110,
                AsynchronousErrorType::Reserved(bits) => bits,
            };
            vec![
                field("IDS", 24, 24, 0_u8),
                field("IESB", 13, 13, implicitly_synchronized),
                field("AET", 12, 10, aet),
                field("EA", 9, 9, external),
                field("DFSC", 5, 0, 0b010001_u8),
            ]
        }
    }
}

fn guarded_control_stack(check: GuardedControlStack) -> Vec<Field> {
    match check {
        GuardedControlStack::DataCheck { instruction, register } => {
            let it = match instruction {
                GcsInstruction::Return => 0,
                GcsInstruction::PopM => 1,
                GcsInstruction::ReturnKeyA => 2,
                GcsInstruction::ReturnKeyB => 3,
                GcsInstruction::Switch1 => 4,
                GcsInstruction::Switch2 => 5,
                GcsInstruction::PopCx => 6,
                GcsInstruction::PopX => 7,
                GcsInstruction::Reserved(bits) => bits,
            };
            vec![field("ExType", 23, 20, 0_u8), field("Rn", 9, 5, register), field("IT", 4, 0, it)]
        }
        GuardedControlStack::ExceptionLock => vec![field("ExType", 23, 20, 1_u8)],
        GuardedControlStack::Store { address, value } => {
            vec![field("ExType", 23, 20, 2_u8), field("Raddr", 14, 10, address), field("Rvalue", 9, 5, value)]
        }
        GuardedControlStack::Reserved(kind) => vec![field("ExType", 23, 20, kind)],
    }
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
