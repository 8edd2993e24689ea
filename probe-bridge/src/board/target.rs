//! What a board's cores have beside what the engine needs.

use trapline_core::target::{CoreId, Event, Target};

use super::error::{BoardError, Result};

/// The cores of a board, whose stops are found by looking.
pub trait BoardTarget: Target<Error = BoardError> {
    /// Looks at every core that runs, and answers what has happened to one of them. The engine must be told of it
    /// before the next call.
    ///
    /// # Errors
    /// [`BoardError`].
    fn poll(&mut self) -> Result<Option<(CoreId, Event)>>;

    /// Lets those cores run on that were halted only because another one was, after the engine has passed over
    /// that one's stop.
    ///
    /// # Errors
    /// [`BoardError`].
    fn release(&mut self) -> Result<()> {
        Ok(())
    }

    /// Gives the cores back: nothing is armed, and they run as they ran before.
    ///
    /// # Errors
    /// [`BoardError`]; the cores that could be reached are free then.
    fn detach(&mut self) -> Result<()>;
}
