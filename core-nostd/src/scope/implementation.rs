//! What a core has of exception levels and security states.

/// What a core has of exception levels and security states, as far as it decides which scopes there are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Implementation {
    /// EL2.
    pub el2: bool,
    /// EL3.
    pub el3: bool,
    /// Secure state.
    pub secure: bool,
    /// EL2 in Secure state, FEAT_SEL2.
    pub secure_el2: bool,
    /// Realm and Root state, FEAT_RME.
    pub realms: bool,
    /// AArch32 at EL1.
    pub aarch32_el1: bool,
}

impl Implementation {
    /// What `ID_AA64PFR0_EL1` says (DDI 0487, "ID_AA64PFR0_EL1, AArch64 Processor Feature Register 0"): EL1
    /// in bits \[7:4\], EL2 in \[11:8\], EL3 in \[15:12\], SEL2 in \[39:36\] and RME in \[55:52\].
    ///
    /// Secure state is taken to come with EL3. A core without EL3 may be in Secure state all the time, which
    /// no ID register says.
    #[must_use]
    pub const fn from_id_aa64pfr0(id_aa64pfr0: u64) -> Self {
        let el3 = field(id_aa64pfr0, 12) != 0;
        Self {
            el2: field(id_aa64pfr0, 8) != 0,
            el3,
            secure: el3,
            secure_el2: field(id_aa64pfr0, 36) != 0,
            realms: field(id_aa64pfr0, 52) != 0,
            aarch32_el1: field(id_aa64pfr0, 4) == 2,
        }
    }
}

const fn field(register: u64, lowest: u32) -> u64 {
    register >> lowest & 0xf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_register_tells_levels_and_states() {
        // A Cortex-A57 with all exception levels, and a guest of KVM on it.
        let all =
            Implementation { el2: true, el3: true, secure: true, aarch32_el1: true, ..Default::default() };
        assert_eq!(Implementation::from_id_aa64pfr0(0x2222), all);
        let guest = Implementation { aarch32_el1: true, ..Default::default() };
        assert_eq!(Implementation::from_id_aa64pfr0(0x0022), guest);
        let realms = Implementation { aarch32_el1: false, secure_el2: true, realms: true, ..all };
        assert_eq!(Implementation::from_id_aa64pfr0(1 << 52 | 1 << 36 | 0x1111), realms);
    }
}
