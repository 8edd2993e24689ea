//! Bytes of the connection: packets out of what arrives, packets around what leaves. Nothing here knows
//! what a packet says.

mod framing;
mod link;
mod reply;
mod scan;

pub(super) use framing::{Incoming, Receiver};
pub(super) use link::Link;
pub(super) use reply::Reply;
pub(super) use scan::{Hex, Scanner};
