//! A simulated board for debuggers: Arm cores with the debug hardware that a probe sees, behind a debug port.
//!
//! It exists to check a debugger without hardware, so it is written from the architecture's text and shares no
//! code with what it checks. Clients that were not written for it, OpenOCD and gdb through OpenOCD, check it in
//! turn.

pub mod armv8a;
pub mod cortex_m;
pub mod dap;
mod image;
pub mod machine;
pub mod server;
