SELECT basket_id, product_id, household_id, store_id, transaction_timestamp, transaction_timestamp AS sold_at,
       quantity, sales_value, retail_disc, coupon_disc, coupon_match_disc
FROM cleansed.retail.transactions
