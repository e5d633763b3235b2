//! Ending a run from elsewhere. In: a wish, from any thread. Out: a flag that runs look at between steps and between iterations.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Ends runs of a program from another thread; made by [`Runner::cancel_token`](crate::Runner::cancel_token). Clones are one token.
///
/// A run looks at it before each step of the program and before each iteration of a loop, not inside of a call or of an
/// iteration, and ends with
/// [`RunError::Cancelled`](crate::RunError::Cancelled), which names the line. The outputs of such a run are not to be read. The
/// token stays cancelled until [`CancelToken::reset`]; then the program runs as before.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, RunError};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ());
/// let mut program = g.compile(g.while_loop(x, |y| y.greater(0.0), |y| y + 1.0))?;
/// let token = program.cancel_token();
/// let watch = std::thread::spawn(move || {
///     std::thread::sleep(std::time::Duration::from_millis(20));
///     token.cancel();
/// });
/// let error = program.call(("x", 1.0)).unwrap_err();
/// assert!(matches!(error, RunError::Cancelled { call: "while_loop", .. }));
/// watch.join().expect("it does not panic");
/// program.cancel_token().reset();
/// assert_eq!(program.call(("x", -1.0))?.scalar::<f64>("result")?, -1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[doc(alias("abort", "interrupt"))]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Ends the run that is under way, and every later one at its first step.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Lets programs run again.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether it was cancelled. Nothing else is read or written by the order in which threads see it.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
