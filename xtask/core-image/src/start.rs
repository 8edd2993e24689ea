//! The program's entry.

#![expect(unsafe_code, reason = "the linker looks for an entry by its name, and names are global")]

/// Reaches everything that is to be linked.
// SAFETY: no other crate of this program defines this name.
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    crate::registers::link();
    crate::encoders::link();
    crate::m_profile::link();
    crate::pools::link();
    crate::syndrome::link();
    crate::exceptions::link();
    #[cfg(feature = "engine")]
    {
        crate::stepping::link();
        crate::translation::link();
        crate::agent::link();
        crate::debugger::link();
    }
    #[cfg(feature = "gdb")]
    crate::gdb::link();
    #[cfg(feature = "el2")]
    crate::el2::link();
    loop {
        core::hint::spin_loop();
    }
}
