//! The terminal on standard input: raw mode, its way back, and the window's size.
//!
//! What raw mode and [`FullScreen`] change is undone on every way out: when they are
//! dropped, and by the handlers of the signals that end a program, abort(3)'s
//! included. Only SIGKILL leaves the terminal as it is.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use libc::c_int;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::unistd::Pid;

/// The settings as they were found. A signal's handler reads them: they are set once.
static FOUND: OnceLock<libc::termios> = OnceLock::new();

/// Whether the other screen is shown. A signal's handler reads it.
static FULL_SCREEN: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C came. Its handler sets it.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Readable since then: a signal that comes just before a poll(2) ends that, too.
static WAKE: OnceLock<EventFd> = OnceLock::new();

/// To the other screen, which what was printed does not scroll into; without wrapping lines,
/// and without the cursor. xterm's sequences, which every terminal of today knows or ignores.
const ENTER_SCREEN: &[u8] = b"\x1b[?1049h\x1b[?7l\x1b[?25l\x1b[H\x1b[2J";
const LEAVE_SCREEN: &[u8] = b"\x1b[?25h\x1b[?7h\x1b[?1049l";

/// What would end the program and leave the terminal raw.
const ENDS: [Signal; 5] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGABRT];

/// What has to wake poll(2), and otherwise does nothing.
const WAKES: [Signal; 2] = [Signal::SIGWINCH, Signal::SIGCONT];

/// While it lives, the terminal hands over every key as it is typed: no echo, no
/// lines, no signals. Output is still processed, so `\n` begins a new line.
pub struct RawMode {
    raw: libc::termios,
}

impl RawMode {
    /// Makes the terminal on standard input raw.
    ///
    /// # Errors
    /// Standard input is no terminal, or is gone.
    pub fn enter() -> io::Result<Self> {
        let found = get()?;
        let found = FOUND.get_or_init(|| found);
        let mut raw = *found;
        raw.c_lflag &= !(libc::ECHO | libc::ICANON | libc::ISIG | libc::IEXTEN);
        raw.c_cc[libc::VMIN] = 1;
        raw.c_cc[libc::VTIME] = 0;
        catch(&ENDS, restore_and_end, SaFlags::SA_RESETHAND)?;
        catch(&WAKES, only_wake, SaFlags::empty())?;
        let mode = Self { raw };
        mode.enforce()?;
        Ok(mode)
    }

    /// Makes it raw again, should somebody have changed it: a shell does that to a job
    /// which it stops and continues.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn enforce(&self) -> io::Result<()> {
        set(&self.raw)
    }

    /// Stops the whole job, as the terminal itself would on Ctrl-Z, and returns raw
    /// once it is continued.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn suspend(&self) -> io::Result<()> {
        restore()?;
        kill(Pid::from_raw(0), Signal::SIGTSTP)?;
        self.enforce()
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = restore();
    }
}

/// Keeps the line editor from the key bindings that others' programs are set up with.
pub fn ignore_inputrc() {
    // SAFETY: the shell has no other thread that could read the environment meanwhile.
    unsafe { std::env::set_var("INPUTRC", "/dev/null") };
}

/// Has Ctrl-C on a terminal that is not raw end no more than what goes on, see [`interrupted`].
///
/// # Errors
/// Those of eventfd(2) and sigaction(2).
pub fn catch_interrupt() -> io::Result<()> {
    let _ = WAKE.set(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
    catch(&[Signal::SIGINT], note_interrupt, SaFlags::empty())
}

/// What to poll for [`interrupted`], where Ctrl-C is caught.
pub fn interrupt_fd() -> Option<BorrowedFd<'static>> {
    WAKE.get().map(AsFd::as_fd)
}

/// Whether there was a Ctrl-C since this was last asked.
pub fn interrupted() -> bool {
    let _ = WAKE.get().map(EventFd::read);
    INTERRUPTED.swap(false, SeqCst)
}

/// While it lives, the terminal shows a screen to draw on; afterwards what it showed before.
pub struct FullScreen(());

impl FullScreen {
    /// Shows the other screen, empty.
    pub fn enter() -> Self {
        FULL_SCREEN.store(true, SeqCst);
        put(ENTER_SCREEN);
        Self(())
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        leave_screen();
    }
}

/// Async-signal-safe.
fn leave_screen() {
    if FULL_SCREEN.swap(false, SeqCst) {
        put(LEAVE_SCREEN);
    }
}

/// Writes to standard output past std's buffer. Async-signal-safe.
fn put(bytes: &[u8]) {
    // SAFETY: the pointer and the length are those of a slice. A terminal that is gone, or takes
    // no more, cannot be helped.
    unsafe { libc::write(libc::STDOUT_FILENO, bytes.as_ptr().cast(), bytes.len()) };
}

/// Columns and rows of the terminal on standard output: at least 1 each, 80 and 24
/// where it does not tell.
pub fn size() -> (usize, usize) {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: TIOCGWINSZ writes one winsize, for which there is room; all zeroes is one too.
    let size = unsafe {
        libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, size.as_mut_ptr());
        size.assume_init()
    };
    let or = |told: u16, default| if told == 0 { default } else { usize::from(told) };
    (or(size.ws_col, 80), or(size.ws_row, 24))
}

fn get() -> io::Result<libc::termios> {
    let mut settings = MaybeUninit::uninit();
    // SAFETY: there is room for what is written, and it is looked at only on success.
    match unsafe { libc::tcgetattr(libc::STDIN_FILENO, settings.as_mut_ptr()) } {
        // SAFETY: tcgetattr has filled it.
        0 => Ok(unsafe { settings.assume_init() }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set(settings: &libc::termios) -> io::Result<()> {
    // TCSADRAIN keeps what has been typed ahead.
    // SAFETY: the pointer is to a whole termios.
    match unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSADRAIN, settings) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn restore() -> io::Result<()> {
    FOUND.get().map_or(Ok(()), set)
}

fn catch(signals: &[Signal], handler: extern "C" fn(c_int), flags: SaFlags) -> io::Result<()> {
    let action = SigAction::new(SigHandler::Handler(handler), flags, SigSet::empty());
    for &signal in signals {
        // SAFETY: the handlers call only what signal-safety(7) allows.
        let before = unsafe { sigaction(signal, &action) }?;
        if matches!(before.handler(), SigHandler::SigIgn) {
            // nohup(1) and its like want it ignored.
            // SAFETY: this puts back what stood there.
            unsafe { sigaction(signal, &before) }?;
        }
    }
    Ok(())
}

/// SA_RESETHAND has made the default action stand again: it ends the program as soon
/// as this returns.
extern "C" fn restore_and_end(signal: c_int) {
    leave_screen();
    let _ = restore();
    // SAFETY: raise(3) is async-signal-safe.
    unsafe { libc::raise(signal) };
}

extern "C" fn only_wake(_: c_int) {}

extern "C" fn note_interrupt(_: c_int) {
    INTERRUPTED.store(true, SeqCst);
    let Some(wake) = WAKE.get() else { return };
    let one = 1_u64.to_ne_bytes();
    // SAFETY: errno is this thread's own, and write(2) of a buffer with its length is
    // async-signal-safe. One that is full already is readable.
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(wake.as_raw_fd(), one.as_ptr().cast(), one.len());
        *libc::__errno_location() = errno;
    }
}
