//! How clients of other programs reach the board.

pub mod bitbang;
