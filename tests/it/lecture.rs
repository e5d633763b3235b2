//! The lecture's example leaves alone what is not its own.

#[path = "../../examples/lecture/claim.rs"]
#[allow(dead_code, reason = "the example uses more of it")]
mod claim;

use std::path::Path;

use claim::Size;
use clap::ValueEnum;

/// docs/lecture/README.md shows the figures of one size and seed; no other run may draw into its folder unasked.
#[test]
fn only_the_run_that_is_shown_draws_over_tracked_figures() {
    for (size, seed) in Size::value_variants().iter().flat_map(|size| [0, 1, u64::MAX].map(|seed| (size, seed))) {
        let is_tracked = size.figures(seed).starts_with("docs");
        assert_eq!(is_tracked, *size == Size::Default && seed == 0);
        assert!(is_tracked || size.figures(seed).starts_with("target"));
    }
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(Size::Default.figures(0)).join("saddles.svg").exists());
}
