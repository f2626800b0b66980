//! Errors are sentences: the act, the object, the cause.

use std::fmt::Display;

/// What came of it, or why not, in words.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// Says what was being done when it failed.
pub(crate) trait Doing<T> {
    /// Puts the act and its object before the cause.
    fn doing(self, act: impl Display) -> Result<T>;
}

impl<T, E: Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, act: impl Display) -> Result<T> {
        self.map_err(|cause| format!("{act}: {cause}"))
    }
}

impl<T> Doing<T> for Option<T> {
    fn doing(self, act: impl Display) -> Result<T> {
        self.ok_or_else(|| act.to_string())
    }
}
