SELECT p.id AS payment_id, p.order_id, o.customer_id, p.method, p.state, p.amount, p.created_at, p.updated_at
FROM cleansed.shop.payments AS p
LEFT JOIN cleansed.shop.orders AS o ON o.id = p.order_id
