SELECT store_id, MIN(CAST(transaction_timestamp AS DATE)) AS first_sold_on
FROM cleansed.retail.transactions
GROUP BY store_id
