//! The form of `!ask form`.

use rejoin_core::ask::{Choice, Question};
use serde::Deserialize;

use super::parse::MOST_OPTIONS;
use super::statement::choice;
use super::words::Wrong;

/// What stands above a form that says nothing itself.
const QUESTION: &str = "Please fill in this form";

#[derive(Deserialize)]
struct Form {
    question: Option<String>,
    questions: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    key: String,
    question: Option<String>,
    #[serde(default)]
    options: Vec<Offer>,
    #[serde(default)]
    multiple: bool,
    #[serde(default)]
    required: bool,
}

/// An option is its value alone, or all that an option can be.
#[derive(Deserialize)]
#[serde(untagged)]
enum Offer {
    Value(String),
    Choice(Choice),
}

/// The question above the form, and its questions.
pub(super) fn read(json: &str) -> Result<(String, Vec<Question>), Wrong> {
    let form: Form = serde_json::from_str(json).map_err(|error| Wrong::NoForm(error.to_string()))?;
    let most = MOST_OPTIONS;
    let too_many = |count: usize| count > most;
    if too_many(form.questions.len()) || form.questions.iter().any(|field| too_many(field.options.len())) {
        return Err(Wrong::NoForm(format!("there are more than {most} questions or options")));
    }
    let questions = form.questions.into_iter().map(question).collect();
    Ok((form.question.unwrap_or_else(|| QUESTION.to_owned()), questions))
}

fn question(field: Field) -> Question {
    let options = field.options.into_iter().map(|offer| match offer {
        Offer::Value(value) => choice(&value),
        Offer::Choice(choice) => choice,
    });
    Question {
        question: field.question.unwrap_or_else(|| field.key.clone()),
        options: options.collect(),
        key: field.key,
        multiple: field.multiple,
        required: field.required,
    }
}
