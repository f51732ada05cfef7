//! Being asked to end: Ctrl-C, Ctrl-Break, a window that is closed, a user who logs off, a system that goes down.

use std::future::poll_fn;
use std::io::Result;
use std::task::{Context, Poll};
use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_logoff,
    ctrl_shutdown,
};
use tokio::sync::{mpsc, oneshot};

/// What a person does at the keyboard, by the number that other systems have for it (SIGINT).
const INTERRUPTED: i32 = 2;
/// What the system does, by the number that others have for it (SIGTERM).
const TERMINATED: i32 = 15;

/// Everything that asks to end. Closing waits until the process has ended, for as long as the system lets it: some seconds.
struct Asking {
    c: CtrlC,
    r#break: CtrlBreak,
    close: CtrlClose,
    logoff: CtrlLogoff,
    shutdown: CtrlShutdown,
}

impl Asking {
    fn listen() -> Result<Self> {
        Ok(Self {
            c: ctrl_c()?,
            r#break: ctrl_break()?,
            close: ctrl_close()?,
            logoff: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// The number of what has come.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<i32> {
        let keyboard = [self.c.poll_recv(context), self.r#break.poll_recv(context)];
        let system =
            [self.close.poll_recv(context), self.logoff.poll_recv(context), self.shutdown.poll_recv(context)];
        let came = |all: &[Poll<Option<()>>]| all.iter().any(Poll::is_ready);
        match (came(&keyboard), came(&system)) {
            (_, true) => Poll::Ready(TERMINATED),
            (true, false) => Poll::Ready(INTERRUPTED),
            (false, false) => Poll::Pending,
        }
    }
}

/// What becomes of them from now on.
struct Let {
    end_the_process: bool,
    done: oneshot::Sender<()>,
}

/// What is handed over.
#[derive(Debug)]
pub struct Forwarding {
    stop: mpsc::UnboundedSender<Let>,
}

/// Hands the first over from now on, on a thread; the second ends the process by `exit`. Without a thread for them the default applies:
/// they end the process.
pub fn forward(hand_over: impl Fn(i32) + Send + 'static, exit: fn(i32) -> !) -> Option<Forwarding> {
    let (stop, stopped) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
    // Before the thread is there, so that nothing is lost.
    let asking = Asking::listen().ok()?;
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || runtime.block_on(serve(asking, stopped, hand_over, exit))).ok()?;
    Some(Forwarding { stop })
}

/// What becomes of what comes.
enum Becomes {
    HandedOver,
    End,
    /// For whoever else is in this terminal.
    Nothing,
}

/// The system has no way back to the default: what came later would be swallowed if nobody listened.
async fn serve(
    mut asking: Asking,
    stopped: mpsc::UnboundedReceiver<Let>,
    hand_over: impl Fn(i32) + Send,
    exit: fn(i32) -> !,
) {
    let mut stopped = Some(stopped);
    let mut becomes = Becomes::HandedOver;
    loop {
        // What has come is handed over before anything else becomes of the rest.
        let came = poll_fn(|context| match (asking.poll(context), &mut stopped) {
            (Poll::Ready(number), _) => Poll::Ready(Ok(number)),
            (Poll::Pending, Some(stopped)) => stopped.poll_recv(context).map(Err),
            (Poll::Pending, None) => Poll::Pending,
        });
        match (came.await, &becomes) {
            (Ok(number), Becomes::HandedOver) => {
                hand_over(number);
                becomes = Becomes::End;
            }
            (Ok(number), Becomes::End) => exit(128 + number),
            (Ok(_), Becomes::Nothing) => {}
            (Err(None), _) => stopped = None,
            (Err(Some(stop)), _) => {
                becomes = if stop.end_the_process { Becomes::End } else { Becomes::Nothing };
                // Nobody waits any more where it fails.
                let _ = stop.done.send(());
            }
        }
    }
}

impl Forwarding {
    /// Hands over what has come, and nothing more. What comes later ends the process, or is for whoever else is in this terminal.
    pub fn stop(self, ends_the_process: bool) {
        let (done, wait) = oneshot::channel();
        if self.stop.send(Let { end_the_process: ends_the_process, done }).is_ok() {
            // It says so once it has handed over what was there.
            let _ = wait.blocking_recv();
        }
    }
}
