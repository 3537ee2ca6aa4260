-- Households have no list of their own: those that bought are known from their baskets.
SELECT h.household_id, d.age, d.income, d.home_ownership, d.marital_status, d.household_size, d.household_comp, d.kids_count
FROM (SELECT DISTINCT household_id FROM cleansed.retail.transactions) AS h
LEFT JOIN cleansed.retail.demographics AS d ON d.household_id = h.household_id
