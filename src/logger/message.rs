//! What the daemon and the logger tell each other: one JSON object a message, over a
//! [`Channel`](crate::sys::channel::Channel).

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A pipe that is captured, and where what comes out of it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Of the daemon's choosing; the four highest numbers are the logger's own.
    pub id: u64,
    /// Of the daemon's choosing, too: by it the next daemon knows whose it is.
    #[serde(default)]
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// How large it may get, in bytes; 0: it is never rotated.
    pub max_bytes: u64,
    /// How many old ones are kept.
    pub keep: u32,
    /// Whether each line begins with the time.
    pub timestamps: bool,
    /// User and group that a new file is given to.
    pub owner: Option<(u32, u32)>,
    /// With [`Order::Add`], of the logger before this one, and with [`Report::Holds`], of this one:
    /// what came was lost, the daemon was told so, and not yet that this is over.
    #[serde(default)]
    pub is_losing: bool,
}

/// What the daemon wants. Obeyed in the order that they come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Before all others, to one that is to take the place of another: that is the process whose
    /// descriptor comes with the message. Until it has ended, pipes are held and nothing is moved.
    Await,
    /// Captures from the pipe whose read side comes with the message.
    Add(Stream),
    /// From the next byte on, the stream of this id is to be so.
    Change(Stream),
    /// Moves what is in the pipe, and forgets the stream.
    Remove {
        /// Which.
        id: u64,
    },
    /// Empties the file, and removes the old ones.
    Clear {
        /// Which.
        id: u64,
    },
    /// Opens every file anew by its name.
    Reopen,
    /// Moves what is in all pipes, and ends. A daemon that goes without this will have a successor.
    Finish,
}

/// What the logger has to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Bytes could not be written, and are gone. At most once a second for each stream.
    Lost {
        /// Of which stream.
        id: u64,
        /// How many since the last report; 0 if the pipe did not arrive or cannot be read at all, so
        /// that the program would have to wait once it is full.
        bytes: u64,
        /// Why: the act, the object and the cause.
        cause: String,
    },
    /// What comes in now is written again.
    Recovered {
        /// Of which stream.
        id: u64,
    },
    /// The answer to [`Order::Remove`]: no more is told of this stream. If it has not recovered, what
    /// came was lost to the end.
    Removed {
        /// Which.
        id: u64,
    },
    /// To a daemon that has just come: a stream that is captured. Its pipe comes with the message.
    Holds(Stream),
    /// To the same: that was all.
    HoldsNoMore,
    /// The answer to [`Order::Clear`].
    Cleared {
        /// Which stream.
        id: u64,
        /// Why it was not.
        error: Option<String>,
    },
}

impl Order {
    /// As a message.
    ///
    /// # Errors
    /// A path that is not UTF-8.
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    /// From a message.
    ///
    /// # Errors
    /// What is no order.
    pub fn decode(message: &[u8]) -> io::Result<Self> {
        Ok(serde_json::from_slice(message)?)
    }
}

impl Report {
    /// As a message.
    ///
    /// # Errors
    /// None that are known.
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    /// From a message.
    ///
    /// # Errors
    /// What is no report.
    pub fn decode(message: &[u8]) -> io::Result<Self> {
        Ok(serde_json::from_slice(message)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_went() {
        let path = PathBuf::from("/a \"b\"/\u{e4}\n.log");
        let stream = Stream {
            id: 7,
            name: "web 1 stdout".into(),
            path,
            max_bytes: 1 << 40,
            keep: 2,
            timestamps: true,
            owner: Some((1, 2)),
            is_losing: true,
        };
        let orders = [
            Order::Await,
            Order::Add(stream.clone()),
            Order::Change(stream),
            Order::Remove { id: 7 },
            Order::Clear { id: 7 },
            Order::Reopen,
            Order::Finish,
        ];
        for order in orders {
            assert_eq!(Order::decode(&order.encode().unwrap()).unwrap(), order);
        }
        let cleared = Report::Cleared { id: 7, error: None };
        assert_eq!(cleared.encode().unwrap(), br#"{"cleared":{"id":7,"error":null}}"#);
        assert_eq!(Report::decode(&cleared.encode().unwrap()).unwrap(), cleared);
        assert!(Order::decode(b"{\"fly\":{\"id\":1}}").is_err());
    }
}
