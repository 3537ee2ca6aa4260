SELECT c.id AS charge_id, c.description AS order_id, c.customer AS customer_id, c.status, c.created AS paid_at,
       CAST(c.amount_captured AS DECIMAL(18,2)) / 100 AS captured, CAST(COALESCE(r.amount, 0) AS DECIMAL(18,2)) / 100 AS refunded
FROM cleansed.payments.charges AS c
LEFT JOIN cleansed.payments.refunds AS r ON r.charge = c.id
