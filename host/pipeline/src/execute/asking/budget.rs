//! What one call of a plugin has spent of its grant.

use docmill_model::failure::{Code, Failure};
use docmill_model::grant::LlmBudget;
use docmill_model::llm::{Amount, Cost, Prices, Request, Response};
use docmill_model::plan::PinnedModel;

use super::refused;

/// Spent so far; questions under way by what they can come to.
#[derive(Debug, Default)]
pub(super) struct Spent {
    calls: u32,
    input_bytes: u64,
    output_tokens: u32,
    cost: Amount,
}

/// What was taken for one question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reserved {
    /// The most tokens that the answer may have.
    pub(super) output_tokens: u32,
    cost: Amount,
}

impl Spent {
    /// Takes what a question can come to.
    ///
    /// # Errors
    /// What the grant has not left, and what to do about it.
    pub(super) fn reserve(
        &mut self,
        budget: &LlmBudget,
        model: &PinnedModel,
        request: &Request,
    ) -> Result<Reserved, Failure> {
        if self.calls >= budget.calls {
            let most = budget.calls;
            return Err(spent(format!(
                "the grant allows {most} questions in one call of the plugin (`calls`)"
            )));
        }
        let bytes = self.input_bytes.saturating_add(request.input_bytes());
        if bytes > budget.input_bytes.0 {
            let most = budget.input_bytes;
            return Err(spent(format!(
                "the grant allows {most} of questions in one call of the plugin (`input_bytes`), and with this one it would be \
                 {bytes} bytes"
            )));
        }
        let left = budget.output_tokens.saturating_sub(self.output_tokens);
        let bounds = [request.max_output_tokens, model.setting.max_output_tokens];
        let output_tokens = bounds.into_iter().flatten().fold(left, u32::min);
        if output_tokens == 0 {
            let most = budget.output_tokens;
            return Err(spent(format!(
                "the grant allows {most} tokens of answers in one call of the plugin (`output_tokens`), and they are used up"
            )));
        }
        let cost = match &model.setting.prices {
            Some(prices) => self.affordable(budget, prices, request, output_tokens)?,
            None => Amount::default(),
        };
        self.calls += 1;
        self.input_bytes = bytes;
        self.output_tokens += output_tokens;
        self.cost = self.cost.plus(cost);
        Ok(Reserved { output_tokens, cost })
    }

    fn affordable(
        &self,
        budget: &LlmBudget,
        prices: &Prices,
        request: &Request,
        output_tokens: u32,
    ) -> Result<Amount, Failure> {
        let Cost { amount, currency } = budget.cost;
        if prices.currency != currency {
            return Err(spent(format!(
                "the model is priced in {}, and the grant's `cost` is in {currency}",
                prices.currency
            )));
        }
        let input = request.most_input_tokens();
        let cost = prices.at_most(input, u64::from(output_tokens));
        let left = amount.minus(self.cost).unwrap_or_default();
        if cost > left {
            return Err(spent(format!(
                "the question can cost up to {cost} {currency} ({input} tokens of it, {output_tokens} of its answer, at most), and \
                 the grant has {left} of {amount} left in this call of the plugin (`cost`): ask for fewer tokens \
                 (`max-output-tokens`), ask less, or ask a cheaper model"
            )));
        }
        Ok(cost)
    }

    /// Puts what a question came to in the place of what was taken for it; what it cost, if somebody knows.
    pub(super) fn settle(
        &mut self,
        reserved: &Reserved,
        prices: Option<&Prices>,
        answered: Result<&Response, &Failure>,
    ) -> Option<Cost> {
        let (output_tokens, cost) = match answered {
            Ok(response) if is_counted(response) => {
                let cost = prices.map(|prices| Cost {
                    amount: prices.of(&response.usage),
                    currency: prices.currency,
                });
                (response.usage.output, cost)
            }
            // The provider does not say, or may have worked for nothing.
            Ok(_) => return None,
            Err(failure) if may_be_paid(failure.code) => return None,
            Err(_) => (0, None),
        };
        let before = self.output_tokens.saturating_sub(reserved.output_tokens);
        self.output_tokens = before.saturating_add(output_tokens);
        let before = self.cost.minus(reserved.cost).unwrap_or_default();
        self.cost = before.plus(cost.map(|cost| cost.amount).unwrap_or_default());
        cost
    }
}

/// Whether the provider told what it used.
pub(super) const fn is_counted(response: &Response) -> bool {
    response.usage.input > 0 || response.usage.output > 0
}

/// Whether a provider may have worked on a question that came to this.
const fn may_be_paid(code: Code) -> bool {
    !matches!(
        code,
        Code::Unsupported
            | Code::InvalidInput
            | Code::InvalidConfig
            | Code::InputTooLarge
            | Code::PluginBound
            | Code::Denied
            | Code::Exhausted
            | Code::Overloaded
            | Code::InvalidComponent
            | Code::BlobUnavailable
            | Code::StoreUnavailable
    )
}

fn spent(said: String) -> Failure {
    refused(Code::PluginBound, "budget", said)
}

#[cfg(test)]
mod tests {
    use docmill_model::digest::Digest;
    use docmill_model::llm::{Finish, Message, Part, Role, Usage};
    use docmill_model::plugin::{Kind, PinnedPlugin};
    use serde_json::{Value as Json, json};

    use super::*;

    fn model(prices: Json, most: Json) -> PinnedModel {
        PinnedModel {
            setting: serde_json::from_value(
                json!({"use": "docmill/openai@0.1", "model": "m", "prices": prices, "max_output_tokens": most}),
            )
            .unwrap(),
            plugin: PinnedPlugin {
                name: "docmill/openai".parse().unwrap(),
                version: "0.1.0".parse().unwrap(),
                digest: Digest::of(b""),
                kind: Kind::LlmAdapter,
            },
            config: "{}".to_owned(),
            grants: docmill_model::grant::Grants::default(),
        }
    }

    /// A unit for each token of an answer, nothing for questions.
    fn priced() -> PinnedModel {
        model(
            json!({"currency": "USD", "input": "0", "output": "1000000"}),
            Json::Null,
        )
    }

    fn budget(change: Json) -> LlmBudget {
        let mut grant = json!({"models": ["default"], "cost": "100 USD", "output_tokens": 50});
        grant
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let grant: docmill_model::grant::LlmGrant = serde_json::from_value(grant).unwrap();
        *grant.budget()
    }

    fn ask(text: &str, most: Option<u32>) -> Request {
        Request {
            messages: vec![Message {
                role: Role::User,
                content: vec![Part::Text(text.to_owned())],
            }],
            max_output_tokens: most,
            ..Request::default()
        }
    }

    fn answer(output: u32) -> Response {
        Response {
            content: vec![],
            finish: Finish::Stop,
            model: "m".to_owned(),
            usage: Usage {
                input: 1,
                output,
                ..Usage::default()
            },
        }
    }

    fn told(refused: Result<Reserved, Failure>) -> String {
        let failure = refused.unwrap_err();
        assert_eq!(
            (failure.code, failure.reason.as_deref()),
            (Code::PluginBound, Some("budget"))
        );
        failure.message
    }

    #[test]
    fn what_an_answer_can_cost_is_taken_before_and_what_it_did_afterwards() {
        let (mut spent, budget, model) = (Spent::default(), budget(json!({})), priced());
        let prices = model.setting.prices;
        let first = spent.reserve(&budget, &model, &ask("a", Some(40))).unwrap();
        assert_eq!((first.output_tokens, spent.cost), (40, "40".parse().unwrap()));
        let paid = spent.settle(&first, prices.as_ref(), Ok(&answer(10)));
        assert_eq!(paid.unwrap().to_string(), "10 USD");
        assert_eq!((spent.cost, spent.output_tokens), ("10".parse().unwrap(), 10));
        // What is left of the tokens bounds who names no bound.
        let second = spent.reserve(&budget, &model, &ask("a", None)).unwrap();
        assert_eq!(second.output_tokens, 40);
        // Nobody knows what it cost: it counts as what it could have.
        let cut = Failure::new(Code::Timeout, "cut");
        assert_eq!(spent.settle(&second, prices.as_ref(), Err(&cut)), None);
        assert_eq!((spent.cost, spent.output_tokens), ("50".parse().unwrap(), 50));
        assert!(told(spent.reserve(&budget, &model, &ask("a", None))).contains("`output_tokens`"));
    }

    #[test]
    fn what_was_refused_is_given_back_and_counts_as_a_question() {
        let (mut spent, budget, model) = (Spent::default(), budget(json!({"calls": 2})), priced());
        for _ in 0..2 {
            let one = spent.reserve(&budget, &model, &ask("a", None)).unwrap();
            let limited = Failure::new(Code::Exhausted, "429");
            assert_eq!(
                spent.settle(&one, model.setting.prices.as_ref(), Err(&limited)),
                None
            );
            assert_eq!((spent.cost, spent.output_tokens), (Amount::default(), 0));
        }
        assert!(told(spent.reserve(&budget, &model, &ask("a", None))).contains("`calls`"));
    }

    #[test]
    fn each_bound_is_kept_to_the_last() {
        let model = priced();
        let reserve =
            |change: Json, request: &Request| Spent::default().reserve(&budget(change), &model, request);
        let bytes = ask("12345", None).input_bytes();
        assert!(reserve(json!({"input_bytes": bytes}), &ask("12345", None)).is_ok());
        assert!(told(reserve(json!({"input_bytes": bytes}), &ask("123456", None))).contains("`input_bytes`"));
        assert!(reserve(json!({"cost": "50 USD"}), &ask("a", None)).is_ok());
        assert!(told(reserve(json!({"cost": "49.999999 USD"}), &ask("a", None))).contains("`cost`"));
        assert!(reserve(json!({"cost": "49.999999 USD"}), &ask("a", Some(49))).is_ok());
        assert!(told(reserve(json!({"cost": "50 EUR"}), &ask("a", None))).contains("priced in USD"));
        let bounded = self::model(Json::Null, json!(7));
        let reserved =
            Spent::default().reserve(&budget(json!({"cost": "0 EUR"})), &bounded, &ask("a", Some(9)));
        assert_eq!(
            reserved.unwrap().output_tokens,
            7,
            "a model without prices costs nothing"
        );
    }

    #[test]
    fn an_answer_that_is_not_counted_costs_what_it_could_have() {
        let (mut spent, budget, model) = (Spent::default(), budget(json!({})), priced());
        let one = spent.reserve(&budget, &model, &ask("a", Some(20))).unwrap();
        let uncounted = Response {
            usage: Usage::default(),
            ..answer(0)
        };
        assert_eq!(
            spent.settle(&one, model.setting.prices.as_ref(), Ok(&uncounted)),
            None
        );
        assert_eq!((spent.cost, spent.output_tokens), ("20".parse().unwrap(), 20));
    }

    #[test]
    fn a_provider_that_does_not_keep_to_its_bound_ends_the_budget() {
        let (mut spent, budget, model) = (Spent::default(), budget(json!({})), priced());
        let one = spent.reserve(&budget, &model, &ask("a", Some(1))).unwrap();
        let paid = spent.settle(&one, model.setting.prices.as_ref(), Ok(&answer(5_000)));
        assert_eq!(paid.unwrap().to_string(), "5000 USD");
        assert!(told(spent.reserve(&budget, &model, &ask("a", Some(1)))).contains("`output_tokens`"));
    }
}
