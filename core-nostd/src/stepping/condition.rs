//! Conditions of instructions, which A64, A32 and T32 encode alike.

/// Whether `condition`, 0 to 15, holds with the flags N, Z, C and V in bits \[31:28\] of `state`, where `PSTATE` and `CPSR`
/// have them (DDI 0487, "ConditionHolds").
pub(super) const fn holds(condition: u8, state: u32) -> bool {
    let [n, z, c, v] =
        [state >> 31 & 1 == 1, state >> 30 & 1 == 1, state >> 29 & 1 == 1, state >> 28 & 1 == 1];
    let holds = match condition >> 1 {
        0b000 => z,
        0b001 => c,
        0b010 => n,
        0b011 => v,
        0b100 => c && !z,
        0b101 => n == v,
        0b110 => n == v && !z,
        _ => return true,
    };
    holds == (condition & 1 == 0)
}
