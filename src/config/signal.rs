//! Signals by name and number.

use super::near::nearest;
use libc::c_int;

/// A signal's number, 1 to SIGRTMAX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(pub i32);

/// The signals of signal(7) by their names without SIG, in the order of their numbers
/// on most machines. Real-time signals are not among them.
pub const SIGNALS: &[(&str, i32)] = &[
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("STKFLT", libc::SIGSTKFLT),
    ("CHLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
];

/// Older names that kill(1) knows too.
const SYNONYMS: &[(&str, c_int)] =
    &[("IOT", libc::SIGABRT), ("CLD", libc::SIGCHLD), ("POLL", libc::SIGIO)];

impl Signal {
    /// What ends a process that does not listen.
    pub const KILL: Self = Self(libc::SIGKILL);

    /// Reads a name with or without SIG in any case, `RTMIN+n`, `RTMAX-n`, or a number.
    ///
    /// The error names what was written and, where there is one, the near miss. Signal 0
    /// is none: it only asks whether a process exists.
    pub fn parse(text: &str) -> Result<Signal, String> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let named = SIGNALS.iter().chain(SYNONYMS).find(|(known, _)| *known == name);
        let number = named.map(|(_, number)| *number).or_else(|| real_time(name));
        if let Some(number) = number {
            return Ok(Signal(number));
        }
        let last = libc::SIGRTMAX();
        if let Ok(number) = text.parse::<i64>() {
            return i32::try_from(number)
                .ok()
                .filter(|number| (1..=last).contains(number))
                .map(Signal)
                .ok_or_else(|| format!("signals go from 1 to {last}, {number} is none"));
        }
        let meant = match nearest(name, SIGNALS.iter().map(|(name, _)| *name)) {
            Some(near) => format!("did you mean {near}?"),
            None => "write a name such as TERM or RTMIN+1, or a number".to_owned(),
        };
        Err(format!("no signal is called {}; {meant}", super::values::shown(text)))
    }

    /// The name without SIG, such as `TERM` or `RTMIN+3`; the number where it has none.
    pub fn name(self) -> String {
        if let Some((name, _)) = SIGNALS.iter().find(|(_, number)| *number == self.0) {
            return (*name).to_owned();
        }
        match self.0 - libc::SIGRTMIN() {
            0 => "RTMIN".to_owned(),
            above if above > 0 && self.0 <= libc::SIGRTMAX() => format!("RTMIN+{above}"),
            _ => self.0.to_string(),
        }
    }

    /// The number, as kill(2) takes it.
    pub const fn number(self) -> i32 {
        self.0
    }
}

/// The number of `RTMIN`, `RTMIN+n`, `RTMAX-n` or `RTMAX`.
fn real_time(name: &str) -> Option<c_int> {
    let (first, last) = (libc::SIGRTMIN(), libc::SIGRTMAX());
    let offset = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse::<c_int>().ok().filter(|offset| *offset <= last - first),
        false => None,
    };
    match name {
        "RTMIN" => Some(first),
        "RTMAX" => Some(last),
        _ => match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
            (Some(above), _) => offset(above).map(|above| first + above),
            (None, Some(below)) => offset(below).map(|below| last - below),
            (None, None) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_many_spellings() {
        for text in ["TERM", "term", "SIGTERM", "SigTerm", "15"] {
            assert_eq!(Signal::parse(text), Ok(Signal(libc::SIGTERM)), "{text}");
        }
        assert_eq!(Signal::parse("cld"), Ok(Signal(libc::SIGCHLD)));
    }

    #[test]
    fn every_signal_is_read_back_from_its_name() {
        for number in 1..=libc::SIGRTMAX() {
            assert_eq!(Signal::parse(&Signal(number).name()), Ok(Signal(number)));
        }
        assert_eq!(Signal(libc::SIGRTMIN() + 3).name(), "RTMIN+3");
        assert_eq!(Signal::parse("rtmax-1"), Ok(Signal(libc::SIGRTMAX() - 1)));
        assert_eq!(Signal(libc::SIGRTMIN()).name(), "RTMIN");
    }

    #[test]
    fn what_is_no_signal_says_so() {
        for (text, why) in [
            ("TREM", "no signal is called TREM; did you mean TERM?"),
            ("sigkil", "no signal is called sigkil; did you mean KILL?"),
            ("0", "signals go from 1 to 64, 0 is none"),
            ("-9", "signals go from 1 to 64, -9 is none"),
            ("65", "signals go from 1 to 64, 65 is none"),
            ("99999999999", "signals go from 1 to 64, 99999999999 is none"),
            (
                "RTMIN+99",
                "no signal is called RTMIN+99; write a name such as TERM or RTMIN+1, or a number",
            ),
            ("", "no signal is called ''; write a name such as TERM or RTMIN+1, or a number"),
        ] {
            assert_eq!(Signal::parse(text), Err(why.to_owned()));
        }
    }
}
