//! The words of an invoice, by currency and style.

use super::Currency;
use crate::generate::style::Style;

/// Labels and units of one language and one country.
pub struct Labels {
    pub seller: &'static str,
    pub seller_id: &'static str,
    pub seller_address: &'static str,
    pub account: &'static str,
    pub buyer: &'static str,
    pub buyer_id: &'static str,
    pub buyer_address: &'static str,
    pub columns: [&'static str; 6],
    /// The heading over price and amount.
    pub cost: &'static str,
    pub vat: &'static str,
    pub total: &'static str,
    pub manager: Option<&'static str>,
    pub code: &'static str,
    /// How the total shows its currency; `#` stands for the amount.
    pub sign: &'static str,
    /// Tax in percent.
    pub rate: u64,
}

impl Labels {
    pub fn of(currency: Currency, style: &Style) -> Self {
        let label = |usual, other| style.label(usual, other);
        let russian = Self {
            seller: label("Поставщик", "Продавец"),
            seller_id: label("БИН поставщика", "БИН продавца"),
            seller_address: label("Адрес поставщика", "Адрес продавца"),
            account: label("ИИК", "IBAN"),
            buyer: label("Покупатель", "Заказчик"),
            buyer_id: label("БИН покупателя", "БИН заказчика"),
            buyer_address: label("Адрес покупателя", "Адрес заказчика"),
            columns: [
                "№",
                label("Наименование", "Товары (работы, услуги)"),
                label("Кол-во", "Количество"),
                label("Ед.", "Ед. изм."),
                label("Цена", "Цена за ед."),
                label("Сумма", "Стоимость"),
            ],
            cost: label("Стоимость, тенге", "К оплате, тенге"),
            vat: label("В том числе НДС 12%", "НДС 12%"),
            total: label("Итого к оплате", "Всего к оплате"),
            manager: Some(label("Руководитель", "Исполнитель")),
            code: "KZT",
            sign: label("# KZT", "# ₸"),
            rate: 12,
        };
        match currency {
            Currency::Tenge => russian,
            Currency::Rouble => Self {
                seller_id: label("ИНН поставщика", "ИНН продавца"),
                account: label("Расчётный счёт", "Р/с"),
                buyer_id: label("ИНН покупателя", "ИНН заказчика"),
                cost: label("Стоимость, руб.", "К оплате, руб."),
                vat: label("В том числе НДС 20%", "НДС 20%"),
                code: "RUB",
                sign: label("# руб.", "# ₽"),
                rate: 20,
                ..russian
            },
            Currency::Dollar => Self {
                seller: label("Seller", "Supplier"),
                seller_id: label("Seller BIN", "Supplier BIN"),
                seller_address: label("Seller address", "Supplier address"),
                account: "IBAN",
                buyer: label("Buyer", "Bill to"),
                buyer_id: label("Buyer tax ID", "Bill-to tax ID"),
                buyer_address: label("Buyer address", "Bill-to address"),
                columns: [
                    "No.",
                    "Description",
                    label("Qty", "Quantity"),
                    "Unit",
                    "Unit price",
                    "Amount",
                ],
                cost: "Cost, USD",
                vat: "VAT 0%",
                total: label("Total due", "Amount due"),
                manager: None,
                code: "USD",
                sign: label("$#", "USD #"),
                rate: 0,
            },
        }
    }
}
