//! Translation tables: `translation`.

use trapline_core::translation;

use crate::machine::{Lost, Machine};

/// Links them.
pub(crate) fn link() {
    debug![
        translation::Access,
        translation::Privilege,
        translation::Mapping,
        translation::Permissions,
        translation::Regime,
        translation::Translation,
        translation::aarch32::Regime
    ];
    default![translation::Permissions, translation::Regime, translation::aarch32::Regime];
    display![translation::Permissions];
    error![translation::TranslationError<Lost>];
    link![
        translation::TranslationError::<Lost>::fault_status,
        translation::translate::<Machine>,
        translation::Translation::remaining,
        translation::Translation::check,
        translation::aarch32::translate::<Machine>,
        translation::aarch32::Regime::long_descriptors,
    ];
}
