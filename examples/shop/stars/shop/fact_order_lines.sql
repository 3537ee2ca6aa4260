SELECT l.order_id, l.line_no, l.product_id, l.quantity, CAST(l.quantity * l.price_minor AS DECIMAL(18,2)) / 100 AS revenue,
       o.customer_id, o.created_at AS ordered_at, o.status AS order_status, o.currency
FROM cleansed.shop.order_lines AS l
JOIN cleansed.shop.orders AS o ON o.id = l.order_id
