SELECT store_id, CAST(transaction_timestamp AS DATE) AS sold_on,
       COUNT(*) AS lines, COUNT(DISTINCT basket_id) AS baskets, SUM(quantity) AS quantity, SUM(sales_value) AS sales_value,
       COUNT(DISTINCT household_id) AS households
FROM cleansed.retail.transactions
GROUP BY store_id, CAST(transaction_timestamp AS DATE)
