//! The events by the names that people see: one list for `events`, for `on:`, and for the log.

use serde::{Deserialize, Serialize};

/// The names of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventName {
    /// A process is WAITING for another.
    Waiting,
    /// A process is STARTING.
    Starting,
    /// A process is RUNNING.
    Running,
    /// A start failed, or came too soon after the last: the next waits.
    Backoff,
    /// A process was asked to stop.
    Stopping,
    /// A process is STOPPED.
    Stopped,
    /// A process ended by itself.
    Exited,
    /// A process was given up.
    Fatal,
    /// A process of an earlier daemon that was killed was taken over.
    Adopted,
    /// A process is not well.
    Unhealthy,
    /// Captured output is being lost, is recorded again, or was lost to the end.
    LostBytes,
    /// The configuration was read again and applied.
    Reloaded,
    /// The configuration could not be read: nothing changed.
    ReloadFailed,
    /// The daemon goes on as another version of itself.
    Upgraded,
    /// The daemon is up.
    DaemonStarted,
    /// The daemon stops everything and ends.
    DaemonStopping,
    /// A message about all this could not be sent.
    MailFailed,
}

impl EventName {
    /// Every event.
    pub const ALL: [Self; 17] = [
        Self::Waiting,
        Self::Starting,
        Self::Running,
        Self::Backoff,
        Self::Stopping,
        Self::Stopped,
        Self::Exited,
        Self::Fatal,
        Self::Adopted,
        Self::Unhealthy,
        Self::LostBytes,
        Self::Reloaded,
        Self::ReloadFailed,
        Self::Upgraded,
        Self::DaemonStarted,
        Self::DaemonStopping,
        Self::MailFailed,
    ];

    /// The name, as it is written and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Backoff => "backoff",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Exited => "exited",
            Self::Fatal => "fatal",
            Self::Adopted => "adopted",
            Self::Unhealthy => "unhealthy",
            Self::LostBytes => "lost_bytes",
            Self::Reloaded => "reloaded",
            Self::ReloadFailed => "reload_failed",
            Self::Upgraded => "upgraded",
            Self::DaemonStarted => "daemon_started",
            Self::DaemonStopping => "daemon_stopping",
            Self::MailFailed => "mail_failed",
        }
    }

    /// Whether it tells of a process, and not of the daemon.
    pub fn is_of_a_process(self) -> bool {
        match self {
            Self::Waiting
            | Self::Starting
            | Self::Running
            | Self::Backoff
            | Self::Stopping
            | Self::Stopped
            | Self::Exited
            | Self::Fatal
            | Self::Adopted
            | Self::Unhealthy
            | Self::LostBytes => true,
            Self::Reloaded
            | Self::ReloadFailed
            | Self::Upgraded
            | Self::DaemonStarted
            | Self::DaemonStopping
            | Self::MailFailed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::EventName;

    #[test]
    fn the_list_has_every_one() {
        let (before, _) = include_str!("event_name.rs").split_once("fn is_of_a_process").unwrap();
        assert_eq!(before.matches(" => \"").count(), EventName::ALL.len());
    }

    #[test]
    fn it_is_written_as_it_is_sent() {
        for event in EventName::ALL {
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
        }
    }
}
