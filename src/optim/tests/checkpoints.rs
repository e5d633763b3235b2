//! States: every rule goes on from its own bit for bit, and refuses every other with nothing changed.

use super::*;

/// Takes steps whose gradients depend on the parameters, from `first` on.
fn take_steps(rule: &mut dyn Optimizer, parameters: &mut Parameters, steps: std::ops::Range<u32>) {
    for step in steps {
        let mut gradients = Gradients::zeros(parameters.layout().clone());
        gradients.add_scaled(1.0 + f64::from(step), parameters).unwrap();
        rule.step(parameters, &gradients).unwrap();
    }
}

/// As a file would keep it: numbers, in layouts of their own.
fn copy_of(state: &OptimizerState) -> OptimizerState {
    let copies = state.iter().map(|(name, array)| {
        let mut copy = Buffers::zeros(Layout::clone(array.layout()));
        copy.elements_mut::<f32>().copy_from_slice(array.elements());
        copy.elements_mut::<f64>().copy_from_slice(array.elements());
        (name.to_owned(), copy)
    });
    let copy = OptimizerState::new(state.rule(), state.step(), copies);
    state.parts().fold(copy, |copy, (name, part)| copy.with_part(name, copy_of(part)))
}

/// The same state of other arrays.
fn with_arrays(state: &OptimizerState, rule: &str, step: u64, arrays: Vec<(&str, Buffers)>) -> OptimizerState {
    let other = OptimizerState::new(rule, step, arrays);
    state.parts().fold(other, |other, (name, part)| other.with_part(name, part.clone()))
}

#[test]
fn a_restored_rule_goes_on_bit_for_bit() {
    for n_steps_before in [0, 1, 4] {
        for (mut whole, mut fresh) in every_rule().into_iter().zip(every_rule()) {
            let mut parameters = start();
            take_steps(&mut *whole, &mut parameters, 0..n_steps_before);
            let state = whole.state();
            let read = copy_of(&state);
            assert_eq!((read.step(), &read), (u64::from(n_steps_before), &state));
            fresh.restore(read).unwrap();
            let mut resumed = parameters.clone();
            take_steps(&mut *whole, &mut parameters, n_steps_before..8);
            take_steps(&mut *fresh, &mut resumed, n_steps_before..8);
            assert_eq!(
                bits(resumed.flat::<f64>().unwrap()),
                bits(parameters.flat::<f64>().unwrap()),
                "{}",
                state.rule()
            );
            assert_eq!(
                bits(resumed.flat::<f32>().unwrap()),
                bits(parameters.flat::<f32>().unwrap()),
                "{}",
                state.rule()
            );
            assert_eq!(whole.state(), fresh.state());
        }
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused_and_changes_nothing() {
    let other_layout = Layout::new([("a", DType::F64, vec![3])]).unwrap();
    for position in 0..every_rule().len() {
        let mut rule = every_rule().into_iter().nth(position).unwrap();
        take_steps(&mut *rule, &mut start(), 0..2);
        let snapshot = rule.state();
        let arrays = || snapshot.iter().map(|(name, array)| (name, array.clone()));
        let of_rule = |arrays: Vec<(&str, Buffers)>| with_arrays(&snapshot, snapshot.rule(), 5, arrays);
        let mut bad = vec![
            with_arrays(&snapshot, "other", snapshot.step(), arrays().collect()),
            of_rule(arrays().chain([("more", Buffers::default())]).collect()),
            of_rule(arrays().collect()).with_part("more", Sgd::new(0.1).state()),
        ];
        if !snapshot.is_empty() {
            bad.push(of_rule(vec![]));
            bad.push(of_rule(snapshot.names().map(|name| (name, Buffers::zeros(other_layout.clone()))).collect()));
            bad.push(of_rule(snapshot.iter().map(|(_, array)| ("name", array.clone())).collect()));
        }
        for state in bad {
            rule.restore(state).unwrap_err();
            assert_eq!(rule.state(), snapshot);
        }
    }
    let mut fresh = Adam::new(0.1);
    let mixed = [("mean", Buffers::zeros(other_layout.clone())), ("square", Buffers::zeros(start().layout().clone()))];
    let error = fresh.restore(OptimizerState::new("adam", 1, mixed)).unwrap_err();
    assert!(matches!(error, OptimizerError::State { .. }), "{error}");
    assert_eq!(fresh.state(), Adam::new(0.1).state());
    let error = fresh.restore(AdamW::new(0.1).state()).unwrap_err().to_string();
    assert_eq!(error, "the state is of the rule `adam-w`, but this is `adam`");
    let error = fresh.restore(OptimizerState::new("adam", 1, [("mean", Buffers::default())])).unwrap_err().to_string();
    assert_eq!(error, r#"`adam` remembers ["mean", "square"], but the state has ["mean"]"#);
}

#[test]
fn no_two_rules_share_a_name() {
    let names: std::collections::BTreeSet<String> =
        every_rule().iter().map(|rule| rule.state().rule().to_owned()).collect();
    assert_eq!(names.len(), every_rule().len());
}
