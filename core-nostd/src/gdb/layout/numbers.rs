//! Registers as the client numbers them.

use super::{Layout, Named, aarch32};

/// The registers as the client numbers them: as the description has them, or, until it has read that, as clients have
/// numbered them since before there were descriptions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::gdb) struct Numbers {
    layout: Layout,
    described: bool,
}

impl Numbers {
    pub(in crate::gdb) const fn new(layout: Layout, described: bool) -> Self {
        Self { layout, described }
    }

    /// The registers of a `g` packet: the general ones. gdb takes a `g` reply that ends early and fetches the rest
    /// by `p` when it needs them, so that a stop costs no vector register reads.
    pub(in crate::gdb) fn general(self) -> impl Iterator<Item = u64> {
        let rest = if self.has_fpa() { 0..aarch32::CPSR } else { self.layout.general() };
        rest.chain(core::iter::once(self.status()))
    }

    /// The number of the status register.
    pub(in crate::gdb) const fn status(self) -> u64 {
        self.layout.status()
    }

    /// The register with a number.
    pub(in crate::gdb) fn named(self, number: u64) -> Option<Named> {
        match self.layout.built_in() {
            _ if self.described => self.layout.named(number),
            // It does not know how long vectors are, and may have no room for them.
            Layout::Aarch64 { .. } => Layout::PLAIN.named(number),
            Layout::Aarch32 | Layout::M(_) if number > aarch32::CPSR => None,
            Layout::Aarch32 | Layout::M(_) => aarch32::fpa(number).or_else(|| self.layout.named(number)),
        }
    }

    /// Whether there is room for the FPA between the program counter and the status.
    const fn has_fpa(self) -> bool {
        !self.described && matches!(self.layout.built_in(), Layout::Aarch32 | Layout::M(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registers::SpecialRegister;
    use crate::target::{MProfile, MVersion};

    fn size(numbers: Numbers) -> usize {
        numbers.general().map(|number| numbers.named(number).expect("a register").size()).sum()
    }

    #[test]
    #[cfg_attr(not(feature = "sve"), ignore = "takes the feature sve")]
    fn a_client_without_the_description_is_sent_no_vectors_longer_than_it_knows() {
        let layout = Layout::Aarch64 { scalable: Some(256), authenticates: true };
        let (without, with) = (Numbers::new(layout, false), Numbers::new(layout, true));
        let sizes =
            |numbers: Numbers| [34, 65, 66, 68, 86].map(|number| numbers.named(number).map(Named::size));
        assert_eq!(sizes(without), [Some(16), Some(16), Some(4), None, None]);
        assert_eq!(sizes(with), [Some(256), Some(256), Some(4), Some(32), Some(8)]);
        assert_eq!((size(without), size(with)), (33 * 8 + 4, 33 * 8 + 4));
    }

    #[test]
    #[cfg_attr(not(feature = "m-profile"), ignore = "takes the feature m-profile")]
    fn a_client_without_the_description_of_32_bits_finds_the_status_behind_the_fpa() {
        let profile = MProfile { version: MVersion::V7, floating_point: true, security: false };
        let status = [Named::Status, Named::Special(SpecialRegister::Xpsr)];
        for (layout, status) in [Layout::Aarch32, Layout::M(profile)].into_iter().zip(status) {
            let (without, with) = (Numbers::new(layout, false), Numbers::new(layout, true));
            assert_eq!((size(without), size(with)), (16 * 4 + 8 * 12 + 4 + 4, 17 * 4));
            assert_eq!((without.named(16), with.named(16)), (Some(Named::Fpa(12)), None));
            assert_eq!((without.named(24), without.named(25)), (Some(Named::Fpa(4)), Some(status)));
            assert_eq!((without.named(26), with.named(26)), (None, Some(Named::D(0))));
        }
    }
}
